package nats

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/words"
)

// Bounds of what a locator may name.
const (
	defaultPort = "4222"
	maxServers  = 16
	maxSubject  = 200
)

// config is what a locator says.
type config struct {
	servers []string // HOST:PORT
	subject string

	// Paths, but of user.
	creds, nkey, user, pass, ca, cert, key string

	secure bool
}

func read(l words.Locator) (*config, error) {
	c := &config{}
	list, subject, ok := strings.Cut(l.Rest, "/")
	if !ok {
		return nil, fail.Errorf(fail.Invalid, "nats://%s: HOST:PORT[,HOST:PORT...]/SUBJECT is what follows", l.Rest)
	}
	for server := range strings.SplitSeq(list, ",") {
		server, err := address(server)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, server)
	}
	if len(c.servers) > maxServers {
		return nil, fail.Errorf(fail.Range, "%d servers are too many: at most %d", len(c.servers), maxServers)
	}
	if c.subject = subject; !goodSubject(subject) {
		return nil, fail.Errorf(fail.Invalid, "subject %q: words of letters, digits, - and _ with dots between make a good one, of %d bytes at most", subject, maxSubject)
	}
	options := words.Options{
		words.One("creds", &c.creds, words.Text),
		words.One("nkey", &c.nkey, words.Text),
		words.One("user", &c.user, words.Text),
		words.One("pass", &c.pass, words.Text),
		words.One("ca", &c.ca, words.Text),
		words.One("cert", &c.cert, words.Text),
		words.One("key", &c.key, words.Text),
		words.One("tls", &c.secure, words.OnOff),
	}
	if err := options.Read(l.Args, nil); err != nil {
		return nil, err
	}
	c.secure = c.secure || c.ca != "" || c.cert != ""
	return c, c.check()
}

// check refuses what does not go together.
func (c *config) check() error {
	ways := 0
	for _, way := range []string{c.creds, c.nkey, c.user} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		return fail.Errorf(fail.Invalid, "one of creds, nkey and user says who one is")
	case (c.user == "") != (c.pass == ""):
		return fail.Errorf(fail.Invalid, "user and pass, a file, belong together")
	case (c.cert == "") != (c.key == ""):
		return fail.Errorf(fail.Invalid, "cert and key belong together")
	}
	return nil
}

// address reads HOST[:PORT].
func address(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@[]?# ") {
		return "", fail.Errorf(fail.Invalid, "%q is no server: HOST:PORT is one", text)
	}
	return net.JoinHostPort(host, port), nil
}

// goodSubject tells whether s is one that has no meaning of its own to a server.
func goodSubject(s string) bool {
	return len(s) <= maxSubject && !slices.ContainsFunc(strings.Split(s, "."), func(token string) bool {
		return token == "" || strings.ContainsFunc(token, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		})
	})
}
