/// Lends bytes as a link lends them.
func lending<Result, Failure: Error>(
    _ bytes: [UInt8], _ body: (RawSpan) throws(Failure) -> Result
) throws(Failure) -> Result {
    try body(unsafe bytes.span.bytes)  // Safe because bytes have no padding.
}
