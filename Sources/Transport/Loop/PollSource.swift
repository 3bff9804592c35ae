import Glibc

/// A descriptor that a loop watches: a socket, a listener.
class PollSource {
    final private(set) var descriptor: Int32
    var id = SlotID(rawValue: 0)

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// For a source that gets its descriptor later than it is made.
    final func settle(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The error that the kernel keeps for this socket; asking takes it.
    final var pendingError: SystemError? {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
        return error == 0 ? nil : SystemError(number: error)
    }

    func ready(_ readiness: Readiness, on loop: Loop) {}
    /// The loop has closed its links and is about to go.
    func loopEnds(_ loop: Loop) {}
}

/// A source that a loop holds until `moveOut`.
@safe
struct SourceEntry: BitwiseCopyable {
    private let reference: Unmanaged<PollSource>

    init(_ source: PollSource) { unsafe reference = .passRetained(source) }
    func moveOut() { unsafe reference.release() }

    var source: PollSource { unsafe reference.takeUnretainedValue() }

    @inline(__always)
    func ready(_ readiness: Readiness, on loop: Loop) {
        // Safe because a loop moves a source out only after its last event was handled.
        unsafe reference._withUnsafeGuaranteedRef { $0.ready(readiness, on: loop) }
    }
}
