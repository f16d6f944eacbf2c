package workflow

import "strconv"

// Number is a count as people read it, with commas between thousands: 1,234,567. It is the one form
// for counts, sizes and limits; what names something (a batch, a line, a port) is written plainly.
func Number[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
