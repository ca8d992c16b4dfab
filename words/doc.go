// Package words reads the words that people write into files and behind
// options: one grammar, and one wording of what is refused.
//
//	NAME [KEY[=VALUE]]...          a thing and how it is to be     Name, Split, Options
//	+NAME, -NAME                   into a set, out of it           Signed
//	1500   0x4000   64M   250ms    numbers, masks, sizes, times    Int, Mask, Size, Duration
//	on, off; one of a list         choices                         OnOff, OneOf
//	02:00:00:00:00:01   10.0.0.1/24    addresses                   MAC, IP, CIDR
//	udp://[::1]:5000?group=a       where something is              ParseLocator
//
// A parser of a value takes what the value is for, as its reader calls it, and
// its text. It is strict: no sign, no white space, nothing behind the value. A
// refusal is one of package fail, Invalid or Range: it says what was wrong and what
// would be right.
package words

import "ipnfs/bus/fail"

func invalid(format string, args ...any) error { return fail.Errorf(fail.Invalid, format, args...) }

func outOfRange(what, value, limits string) error {
	return fail.Errorf(fail.Range, "%s %s is out of range: %s", what, value, limits)
}
