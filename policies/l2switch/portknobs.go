package l2switch

import (
	"fmt"

	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/vlan"
	"ipnfs/words"
)

// PortKnobs are the settings of a port.
func (s *Switch) PortKnobs() []policy.PortKnob {
	return []policy.PortKnob{
		s.portKnob("pvid", func(c *config) string { return fmt.Sprint(c.PVID) }, func(c *config, value string) (err error) {
			c.PVID, err = words.Int[uint16]("pvid", value, 0, vlan.MaxID)
			return err
		}),
		s.portKnob("vlans", func(c *config) string { return c.Tagged.String() }, func(c *config, value string) (err error) {
			c.Tagged, err = vlan.ParseSet(value)
			return err
		}),
		s.portKnob("tpid", func(c *config) string { return fmt.Sprintf("0x%04x", c.TPID) }, func(c *config, value string) error {
			i, err := words.OneOf("tpid", value, "0x8100", "802.1Q", "802.1q", "0x88a8", "802.1ad")
			if c.TPID = vlan.TPIDC; i > 2 {
				c.TPID = vlan.TPIDS
			}
			return err
		}),
		s.portKnob("isolated", func(c *config) string { return words.FormatOnOff(c.isolated) }, func(c *config, value string) (err error) {
			c.isolated, err = words.OnOff("isolated", value)
			return err
		}),
		s.portKnob("storm", func(c *config) string { return ratesString(c.rates) }, func(c *config, value string) (err error) {
			c.rates, err = parseRates(value, c.rates)
			return err
		}),
		s.portFDBMax(),
		s.portKnob("mrouter", func(c *config) string { return mrouterString(c.mrouter) }, func(c *config, value string) error {
			i, err := words.OneOf("mrouter", value, "auto", "on")
			c.mrouter = i == 1
			return err
		}),
		{
			Name: "stp",
			Get:  s.readPortSTP,
			Save: s.saver(func(c *config) string { return portSTPString(c.stp, c.set) }),
			Set: func(b policy.Port, value string) error {
				c := *s.configOf(b)
				if err := parsePortSTP(&c, value); err != nil {
					return err
				}
				if err := s.configure(b, c); err != nil {
					return err
				}
				if p := s.ports.get(b.Number()); p != nil {
					return s.spanning.configure(p)
				}
				return nil
			},
		},
	}
}

func (s *Switch) portFDBMax() policy.PortKnob {
	k := s.portKnob("fdb_max", func(c *config) string { return limitString(c.fdbMax) }, func(c *config, value string) (err error) {
		c.set |= setFDBMax
		c.fdbMax, err = words.IntOr("fdb_max", value, "off", 1, fdb.MaxLimit)
		return err
	})
	k.Save = s.saver(func(c *config) string {
		if c.set&setFDBMax == 0 {
			return "" // it follows from the kind of port
		}
		return limitString(c.fdbMax)
	})
	return k
}

func limitString(limit int) string {
	if limit == 0 {
		return "off"
	}
	return fmt.Sprint(limit)
}

func mrouterString(on bool) string {
	if on {
		return "on"
	}
	return "auto"
}

// saver makes get tell nothing of a port that nobody has set up.
func (s *Switch) saver(get func(*config) string) func(policy.Port) string {
	return func(b policy.Port) string {
		if c := s.configOf(b); c.charged || s.kept[b] != nil {
			return get(c)
		}
		return ""
	}
}

// portKnob makes a knob of what is in a port's config.
func (s *Switch) portKnob(name string, get func(*config) string, set func(*config, string) error) policy.PortKnob {
	return policy.PortKnob{
		Name: name,
		Get:  func(b policy.Port) string { return get(s.configOf(b)) },
		Save: s.saver(get),
		Set: func(b policy.Port, value string) error {
			c := *s.configOf(b)
			if err := set(&c, value); err != nil {
				return err
			}
			return s.configure(b, c)
		},
	}
}
