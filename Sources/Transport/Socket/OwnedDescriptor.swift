import Glibc

/// A connected socket on its way between drivers: the descriptor, and its place among the counted connections.
public struct OwnedSocket: ~Copyable, Sendable {
    let admission: Admission?
    let descriptor: OwnedDescriptor

    init(_ descriptor: consuming OwnedDescriptor, admission: Admission?) {
        self.descriptor = descriptor
        self.admission = admission
    }

    /// Whoever calls this closes the descriptor.
    consuming func release() -> (Int32, Admission?) {
        let admission = admission
        return (descriptor.release(), admission)
    }
}

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
