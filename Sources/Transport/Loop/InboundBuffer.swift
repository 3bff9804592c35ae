/// The one buffer into which a loop reads. In front of it there is room for what a link left unread,
/// so that a frame cut by a read is whole again without moving the bytes behind it.
@safe
final class InboundBuffer {
    static let headroom = 64 << 10
    static let size = 256 << 10
    private let memory = UnsafeMutableRawPointer.allocate(byteCount: headroom + size, alignment: 64)

    /// Where reads go.
    var start: UnsafeMutableRawPointer { unsafe memory + Self.headroom }

    deinit { unsafe memory.deallocate() }
}
