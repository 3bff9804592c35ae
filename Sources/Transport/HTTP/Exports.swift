// The heads of HTTP, of which the servers and clients here speak.
@_exported public import OmniwayWire
