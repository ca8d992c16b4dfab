package words

import "strings"

// Word is KEY or KEY=VALUE.
type Word struct {
	Key, Value string
	Valued     bool // there is a =
}

// Cut reads one word. Its value may hold more of =.
func Cut(text string) (w Word) {
	w.Key, w.Value, w.Valued = strings.Cut(text, "=")
	return w
}

// String gives w as Cut takes it.
func (w Word) String() string {
	if w.Valued {
		return w.Key + "=" + w.Value
	}
	return w.Key
}

// Split reads words between white space.
func Split(text string) (list []Word) {
	for field := range strings.FieldsSeq(text) {
		list = append(list, Cut(field))
	}
	return list
}

// Name reads NAME [KEY[=VALUE]]...; name is empty if there is no word.
func Name(text string) (name string, rest []Word) {
	list := Split(text)
	if len(list) == 0 {
		return "", nil
	}
	return list[0].String(), list[1:]
}

// Signed takes the sign off a command for a set: +NAME or -NAME and what
// follows. The sign is 0 if there is none.
func Signed(command string) (sign byte, rest string, err error) {
	rest = command
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		sign, rest = rest[0], rest[1:]
	}
	switch name, _ := Name(rest); {
	case name == "" || !strings.HasPrefix(rest, name):
		return 0, "", invalid("%q: a name must follow the sign", command)
	case name[0] == '+' || name[0] == '-':
		return 0, "", invalid("%q: a name does not begin with a sign", name)
	}
	return sign, rest, nil
}

// List reads words with commas, spaces or tabs between.
func List(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// Args reads words that all are KEY=VALUE, each key once.
func Args(list []Word) (map[string]string, error) {
	args := map[string]string{}
	for _, w := range list {
		if !w.Valued || w.Key == "" {
			return nil, invalid("%q is no argument: key=value is one", w)
		}
		if _, twice := args[w.Key]; twice {
			return nil, invalid("%s is given twice", w.Key)
		}
		args[w.Key] = w.Value
	}
	return args, nil
}
