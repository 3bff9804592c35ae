import Glibc

/// A descriptor that is closed exactly once.
public struct OwnedDescriptor: ~Copyable, Sendable {
    private let raw: Int32

    public init(_ raw: Int32) { self.raw = raw }
    deinit { close(raw) }

    public var number: Int32 { raw }

    /// Whoever calls this closes it.
    public consuming func release() -> Int32 {
        let raw = raw
        discard self
        return raw
    }
}
