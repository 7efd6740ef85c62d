package governance

// For tests of what has no other way in.
var (
	GuardReplay      = guardReplay
	ParseTime        = parseTime
	ParseBallot      = parseBallot
	ParseStateDigest = parseStateDigest
	ParseShare       = parseShare
)
