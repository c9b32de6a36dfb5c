package systemdwords

import (
	"context"
	"fmt"
	"strings"
)

// Specifiers asks systemd for the value of every `%` specifier in each of the
// units, whose names alone matter. A letter or
// digit that is missing in the map is one that systemd refuses.
func Specifiers(ctx context.Context, units []Unit) ([]map[byte]string, error) {
	known, err := knownSpecifiers(ctx)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	text.WriteString("[Service]\nType=oneshot\n")
	for _, letter := range known {
		fmt.Fprintf(&text, "ExecStart=/bin/x %%%c\n", letter)
	}
	probes := make([]Unit, len(units))
	for i, unit := range units {
		probes[i] = Unit{Name: unit.Name, Instance: unit.Instance, Source: []byte(text.String())}
	}
	readings, err := Read(ctx, probes)
	if err != nil {
		return nil, err
	}
	values := make([]map[byte]string, len(units))
	for i, reading := range readings {
		if len(reading.Commands) != len(known) {
			return nil, fmt.Errorf("unit %q: %d of %d specifiers resolved: %s", units[i].Name, len(reading.Commands), len(known), reading.Refused)
		}
		values[i] = make(map[byte]string, len(known))
		for k, letter := range known {
			values[i][letter] = reading.Commands[k].Argv[1]
		}
	}
	return values, nil
}

// knownSpecifiers tries every ASCII letter and digit on its own, since one
// unknown letter makes systemd refuse the whole unit.
func knownSpecifiers(ctx context.Context) ([]byte, error) {
	const all = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var probes []Unit
	for i := range len(all) {
		probes = append(probes, Unit{
			Name:   fmt.Sprintf("probe-%03d.service", i),
			Source: fmt.Appendf(nil, "[Service]\nExecStart=/bin/x %%%c\n", all[i]),
		})
	}
	readings, err := Read(ctx, probes)
	if err != nil {
		return nil, err
	}
	var known []byte
	for i, reading := range readings {
		if reading.Refused == "" {
			known = append(known, all[i])
		}
	}
	return known, nil
}

// Expand replaces the specifiers of one word: `%%` is `%`, a known letter its
// value; `%` before anything that is neither letter nor digit stays. It fails
// on a letter or digit that is not known.
func Expand(word string, values map[byte]string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] != '%' || i+1 == len(word) {
			b.WriteByte(word[i])
			continue
		}
		next := word[i+1]
		value, known := values[next]
		switch {
		case next == '%':
			b.WriteByte('%')
			i++
		case known:
			b.WriteString(value)
			i++
		case next >= '0' && next <= '9' || next|0x20 >= 'a' && next|0x20 <= 'z':
			return "", fmt.Errorf("unknown specifier %q", word[i:i+2])
		default:
			b.WriteByte('%')
		}
	}
	return b.String(), nil
}
