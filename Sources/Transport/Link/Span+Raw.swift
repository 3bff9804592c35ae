extension Span<UInt8> {
    /// The same bytes as a raw span, which is what links take.
    package var raw: RawSpan {
        @_lifetime(copy self)
        get { unsafe bytes }  // Safe because a UInt8 has no padding.
    }
}
