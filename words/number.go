package words

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"ipnfs/bus/fail"
)

// integer is what a number is read as.
type integer interface {
	~int | ~uint8 | ~uint16 | ~uint32
}

const (
	decimal = "0123456789"
	hex     = decimal + "abcdef"
)

func limits[T integer](lo, hi T) string { return fmt.Sprintf("%d to %d", lo, hi) }

// Check refuses n unless lo <= n <= hi.
func Check[T integer](what string, n, lo, hi T) error {
	if n < lo || n > hi {
		return outOfRange(what, fmt.Sprint(n), limits(lo, hi))
	}
	return nil
}

// Int reads a decimal number without sign, from lo, which is not negative, to hi.
func Int[T integer](what, text string, lo, hi T) (T, error) {
	if text == "" || strings.Trim(text, decimal) != "" {
		return 0, invalid("%s %q is no decimal number: %s", what, text, limits(lo, hi))
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < uint64(lo) || n > uint64(hi) {
		return 0, outOfRange(what, text, limits(lo, hi))
	}
	return T(n), nil
}

// Between is Int for One.
func Between[T integer](lo, hi T) func(what, text string) (T, error) {
	return func(what, text string) (T, error) { return Int(what, text, lo, hi) }
}

// IntOr is Int, or a word that stands for 0.
func IntOr[T integer](what, text, word string, lo, hi T) (T, error) {
	if text == word {
		return 0, nil
	}
	n, err := Int(what, text, lo, hi)
	if e, refused := err.(*fail.Error); refused {
		e.Text += ", or " + word
	}
	return n, err
}

// Mask reads bits: a decimal number or, behind 0x, a hexadecimal one, up to hi.
func Mask[T integer](what, text string, hi T) (T, error) {
	digits, base, allowed := text, 10, decimal
	if behind, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		digits, base, allowed = behind, 16, hex
	}
	if digits == "" || strings.Trim(digits, allowed) != "" {
		return 0, invalid("%s %q is no decimal number, and no hexadecimal one behind 0x: 0 to %#x", what, text, hi)
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil || n > uint64(hi) {
		return 0, outOfRange(what, text, fmt.Sprintf("0 to %#x", hi))
	}
	return T(n), nil
}

// ID reads the number of a user or group. The highest of 32 bits means nobody to
// the kernel (chown(2)).
func ID(what, text string) (uint32, error) {
	id, err := Int(what, text, 0, uint32(math.MaxUint32-1))
	if err != nil {
		return 0, invalid("%s %q is no id: %s", what, text, limits(0, uint32(math.MaxUint32-1)))
	}
	return id, nil
}

// units are those of sizes, by the power of 1024.
var units = [...]string{"", "K", "M", "G"}

// Size reads a number of bytes, with K, M or G behind it for powers of 1024.
func Size(what, text string, lo, hi int64) (int64, error) {
	digits, shift := text, 0
	for i := 1; i < len(units); i++ {
		if d, ok := strings.CutSuffix(strings.ToUpper(text), units[i]); ok {
			digits, shift = d, 10*i
		}
	}
	if digits == "" || strings.Trim(digits, decimal) != "" {
		return 0, invalid("%s %q is no size: %s to %s, such as 64M or 2G", what, text, FormatSize(lo), FormatSize(hi))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > hi>>shift || n<<shift < lo {
		return 0, outOfRange(what, text, FormatSize(lo)+" to "+FormatSize(hi))
	}
	return n << shift, nil
}

// FormatSize gives a number of bytes as Size takes it, in the greatest unit that
// divides it.
func FormatSize(n int64) string {
	i := 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return fmt.Sprint(n) + units[i]
}

// Duration reads a time with its unit, as time.ParseDuration does, without a
// sign.
func Duration(what, text string, lo, hi time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || strings.ContainsAny(text, "+-") {
		return 0, invalid("%s %q is no time: %v to %v, such as 250ms or 1m30s", what, text, lo, hi)
	}
	if d < lo || d > hi {
		return 0, outOfRange(what, text, fmt.Sprintf("%v to %v", lo, hi))
	}
	return d, nil
}
