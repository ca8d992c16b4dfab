package l2switch

import (
	"fmt"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/vlan"
)

// PortKnobs are the settings of a port.
func (s *Switch) PortKnobs() []policy.PortKnob {
	return []policy.PortKnob{
		s.portKnob("pvid", func(c *config) string { return fmt.Sprint(c.PVID) }, func(c *config, value string) error {
			v, err := parseInt("pvid", value, 0, vlan.MaxID)
			c.PVID = uint16(v)
			return err
		}),
		s.portKnob("vlans", func(c *config) string { return c.Tagged.String() }, func(c *config, value string) (err error) {
			c.Tagged, err = vlan.ParseSet(value)
			return err
		}),
		s.portKnob("tpid", func(c *config) string { return fmt.Sprintf("0x%04x", c.TPID) }, func(c *config, value string) error {
			switch value {
			case "0x8100", "802.1Q", "802.1q":
				c.TPID = vlan.TPIDC
			case "0x88a8", "802.1ad":
				c.TPID = vlan.TPIDS
			default:
				return fail.Errorf(fail.Invalid, "tpid %q: 0x8100 (802.1Q) or 0x88a8 (802.1ad)", value)
			}
			return nil
		}),
		s.portKnob("isolated", func(c *config) string { return onOff(c.isolated) }, func(c *config, value string) (err error) {
			c.isolated, err = parseOnOff("isolated", value)
			return err
		}),
		s.portKnob("storm", func(c *config) string { return ratesString(c.rates) }, func(c *config, value string) (err error) {
			c.rates, err = parseRates(value, c.rates)
			return err
		}),
		s.portKnob("fdb_max", func(c *config) string { return limitString(c.fdbMax) }, func(c *config, value string) (err error) {
			c.set |= setFDBMax
			if c.fdbMax = 0; value != "off" {
				c.fdbMax, err = parseInt("fdb_max", value, 1, fdb.MaxLimit)
			}
			return err
		}),
		s.portKnob("mrouter", func(c *config) string { return mrouterString(c.mrouter) }, func(c *config, value string) error {
			if value != "on" && value != "auto" {
				return fail.Errorf(fail.Invalid, "mrouter %q: on (all groups go there) or auto (if a router is heard)", value)
			}
			c.mrouter = value == "on"
			return nil
		}),
		{
			Name: "stp",
			Get:  s.readPortSTP,
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

// portKnob makes a knob of what is in a port's config.
func (s *Switch) portKnob(name string, get func(*config) string, set func(*config, string) error) policy.PortKnob {
	return policy.PortKnob{
		Name: name,
		Get:  func(b policy.Port) string { return get(s.configOf(b)) },
		Set: func(b policy.Port, value string) error {
			c := *s.configOf(b)
			if err := set(&c, value); err != nil {
				return err
			}
			return s.configure(b, c)
		},
	}
}
