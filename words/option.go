package words

import "strings"

// Option is a word that a command may have.
type Option struct {
	Key   string
	Value bool // it is KEY=VALUE, else KEY alone
	Empty bool // the value may be empty
	Many  bool // it may be repeated
	Set   func(value string) error
}

// Options are all that a command may have, in the order in which they are told.
type Options []Option

// Flag is an option without a value.
func Flag(key string, to *bool) Option {
	return Option{Key: key, Set: func(string) error { *to = true; return nil }}
}

// One is an option whose value parse reads, which gets the key and the value.
// What it refuses does not change to.
func One[T any](key string, to *T, parse func(what, text string) (T, error)) Option {
	return Option{Key: key, Value: true, Set: func(text string) error {
		v, err := parse(key, text)
		if err == nil {
			*to = v
		}
		return err
	}}
}

// Text is for One: any value.
func Text(_, text string) (string, error) { return text, nil }

// Read sets each word by its option. Words that are none go to other; if that is
// nil, they are refused. What was set before a word that is refused stays set.
func (o Options) Read(list []Word, other func(Word) error) error {
	seen := map[string]bool{}
	for _, w := range list {
		option, key := o.Find(w.Key), w.Key
		if option == nil && other == nil {
			return invalid("there is no option %q: one of %s", w.Key, o)
		}
		if option == nil {
			option = &Option{Value: w.Valued, Set: func(string) error { return other(w) }}
			if i := strings.LastIndexByte(w.String(), '='); i >= 0 {
				key = w.String()[:i] // storm=broadcast=1 and storm=multicast=1 are two
			}
		}
		switch {
		case option.Value && (!w.Valued || w.Value == "" && !option.Empty):
			return invalid("%s needs a value: %s=...", key, key)
		case !option.Value && w.Valued:
			return invalid("%s takes no value", key)
		case seen[key] && !option.Many:
			return invalid("%s is given twice", key)
		}
		seen[key] = true
		if err := option.Set(w.Value); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the option of that key, or nil.
func (o Options) Find(key string) *Option {
	for i := range o {
		if o[i].Key == key {
			return &o[i]
		}
	}
	return nil
}

// Names lists the options for people: KEY= for those with a value.
func (o Options) Names() []string {
	names := make([]string, len(o))
	for i, option := range o {
		if names[i] = option.Key; option.Value {
			names[i] += "="
		}
	}
	return names
}

// String is Names with commas between.
func (o Options) String() string { return strings.Join(o.Names(), ", ") }
