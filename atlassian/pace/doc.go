// Package pace lets the calls to an API leave as fast as its limits allow, and learns the limits
// from the answers. It knows nothing of what the calls do.
//
// # Calls
//
// Every call goes through a Gate: Wait returns a Ticket when the call may leave; Done gives the
// ticket back with the status and the headers of the answer; Cancel gives it back if the call
// certainly did not leave. How many calls in flight at once are of use is learned (crew): more while
// answers come as fast as ever, fewer when they fail, or when a trial shows that fewer are answered
// sooner, and never more than Config.Workers.
//
// # What a limit is
//
// A limit is a budget of calls in a length of time. There are three kinds:
//
//   - windowed: windows of that length follow each other, each with the whole budget. When the next
//     one opens is its phase. Nobody tells the phase exactly: it is known to lie in a span, which
//     each window narrows (windows).
//   - sliding: the budget counts for any time of the length, so that each call is given back one
//     length after it was made.
//   - refilling: what is left grows evenly, by the budget in the length, up to the budget.
//
// A bucket is the set of operations that count against one limit, as far as the answers show. Each
// bucket knows a limit of which the answers tell (limit), one that only 429s show (found), or both.
// Times are those at which calls left, so that a steady latency cancels out.
//
// # Limits that are told
//
// If the answers carry X-RateLimit-Limit, -Remaining and -Reset, what was told is what is left,
// minus the calls in flight and those that never got an answer. A limit is taken for a windowed one.
// What is told then falls with each call until the next window opens; if it rises in between, or the
// reset moves on with each call, the limit slides or refills. Which of them, and how long it is,
// follows from the way of the reset, from which calls were given back, and from how fast what is
// left grows.
//
// The next window opens when the reset says, as the answer's Date moves it to our clock, or one
// length after the present one. A reset is heeded however far it is, up to a day. A reset without
// seconds may have been rounded by up to a minute, and a clock without Date may be off by anything:
// then single calls try when the window may have opened, a few of 1,000 calls at most. They try though
// some is left that nobody may use, for others or because it is too little for a change: half of what is kept
// for newcomers serves that before the reset, and such a trial is not refused. Windows may be
// far shorter than the unit of their resets, as limits of a second whose resets are written to the minute:
// until a length is known the first trials come soon, and then what such resets say counts no more.
//
// A window was there when a call left that it answered, and no longer than anybody saw: how long it
// took us to try again is not its length, and neither is a time in which nobody called. If trials before
// the end of its span are always in vain, the windows follow our calls, as those of a limit of one call do
// that slides or refills: then each opens one length after the latest call.
//
// # Limits that are found
//
// If the headers tell nothing, or not enough, calls leave at a pace that starts at Rate.Start and
// rises until the first 429: the more got through, the more may be in flight when it comes. If the
// bucket then stays shut for seconds, it has windows: what was let through since it opened is the
// budget, which the next window uses at once, and which is tried to be larger now and then: the more
// often that was refused, the more rarely. If it opens soon, the limit is as good as a rate, and the
// pace follows the curve of CUBIC around the ceiling that 429s have shown.
//
// If what was used up is given back one of the usual lengths after the first call of it, the windows
// are taken to slide: each call then leaves that length after the one that makes room for it, which
// is right for windows that follow each other, too. If a window is used up before its time and opens
// again within seconds, they slide, or the 429 had another reason. If windows that slide give back later
// than expected, the next trial is when the next call is given back.
//
// # Throttles
//
// A 429 shuts its bucket: until Retry-After, else until the next window may have opened, else for a
// quarter of a second and then for ever longer parts of the time that it was shut, up to 5 minutes.
// 429s of calls that left together count once. Then one call leads, rather a read than a write (unless a
// read did so just before: where each call leads, writes have their turn, too), and the others follow when it got through, or one by one every 2 seconds if it is not heard of. So it is
// at the start, and when answers told that nothing is left. Buckets that are shut hold up no other
// bucket, and calls that wait take no worker.
//
// # Which operations share a limit
//
// Atlassian does not publish it. Where headers tell, all operations start in one bucket, which is
// safe; one whose remaining count cannot come from its bucket's gets a bucket of its own, and buckets
// whose counts prove to be the same are joined. While an operation may have a count of its own, only
// that count shows that a window has opened, or that the limit has none. Where nothing is told, each
// operation is by itself, as the documents count for each endpoint; those that are refused together
// are joined, at once if both had used up much and stay shut for seconds. Two paces that held for a
// while and fail in one moment count as such, too. So are those of which one has less of its windows
// after another one had more than its budget: it was taken from what they share.
//
// # Reservation
//
// An account is read right before it is written and again after it. If the write found no room
// after the read, it would wait for the next window and the read would be stale. So a read that
// begins a change leaves only if the window has room for the write, too, whether the window is told
// or found; the room is kept for 5 seconds, and not when the next window is about to open. A limit
// that refills, or whose length is as short, has room again soon: there reads only must not run ahead
// of the writes. The write may use what is kept for newcomers, as may the read that proves it, and
// goes before reads of its party.
//
// # Fairness
//
// Each call belongs to a party, which is a batch or everybody who only asks. Parties take turns,
// whatever the number of calls that each has waiting, at every limit and for the workers. Of each
// window a twentieth, and at most 8 calls, is kept for parties that have had few of it, until it is
// about to end or hardly anybody is there: otherwise one batch would use in seconds what the limit
// gives for a minute. Calls of one party and operation leave in the order in which they came.
//
// # Restart
//
// What is known is kept in Config.Memory: the buckets, their limits, windows and paces and until
// when they are shut, for one day and for the same owner alone. It is saved at most once a second
// and at Close, never in the path of a call. Losing it costs speed and nothing else.
//
// # Promises
//
//   - Wait returns as soon as its context ends, and the call then takes no part in anything.
//   - Headers that are wrong, strange or missing can slow calls down and cannot stop them for good.
//   - With any limit, the time that many calls take is close to the least that the limit allows;
//     TestRegimes gives the bounds, and which of them are above their aims.
package pace
