// Random numbers that a seed repeats are a value of the ground; whoever tests finds them here.
@_exported public import struct OmniwayWire.SeededRandom
