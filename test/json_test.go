package test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// jsonValue is "json PATH VALUE": what the last command printed is JSON, and
// at PATH (names and places, such as 0.stats.frames; . is all) there is VALUE.
// The value of a list is how long it is, as in [3].
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json path value")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	if d.More() {
		ts.Fatalf("more than one JSON value")
	}
	for _, step := range strings.Split(strings.Trim(args[0], "."), ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			if i, err := strconv.Atoi(step); err == nil && i < len(in) {
				v = in[i]
			} else if step != "" {
				v = nil
			}
		}
	}
	got := fmt.Sprint(v)
	if list, ok := v.([]any); ok {
		got = fmt.Sprintf("[%d]", len(list))
	}
	if got != args[1] {
		ts.Fatalf("%s is %s, not %s", args[0], got, args[1])
	}
}
