package lint

import (
	"strconv"
	"strings"
	"time"
)

// spanUnits are the units of time spans (systemd.time(7)); a number without one is
// seconds.
var spanUnits = map[string]time.Duration{
	"": time.Second, "us": time.Microsecond, "usec": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond, "msec": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// parseTimespan reads a time span such as "1min 30s". "infinity" is 0: no limit.
func parseTimespan(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text == "infinity" {
		return 0, true
	}
	var total time.Duration
	for text != "" {
		rest := strings.TrimLeft(text, "0123456789.")
		number, err := strconv.ParseFloat(text[:len(text)-len(rest)], 64)
		if err != nil {
			return 0, false
		}
		rest = strings.TrimLeft(rest, " \t")
		text = strings.TrimLeftFunc(rest, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == 'µ' })
		unit, ok := spanUnits[rest[:len(rest)-len(text)]]
		if !ok {
			return 0, false
		}
		total += time.Duration(number * float64(unit))
		text = strings.TrimLeft(text, " \t")
	}
	return total, true
}
