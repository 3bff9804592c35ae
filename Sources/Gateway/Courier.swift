import OmniwayTransport
import OmniwayWire

/// What one loop of the gateway tells another: frames as they came, and between them what happened.
struct GatewayBatch: Sendable {
    enum Note: Sendable {
        /// A virtual connection to an end on the receiving loop; `remote` is who dialled.
        case opened(ConnectionID, client: Place, server: Place, remote: EndpointID, dialledBy: GatewaySide)
        /// One end has closed it, or is gone.
        case closed(ConnectionID)
        /// A server takes no more for now, or takes again.
        case full(Place)
        case writable(Place)
        /// So much of the other direction's batches has been worked off.
        case taken(Load)
    }
    var frames: [UInt8] = []
    /// Each with the number of bytes in `frames` that come before it.
    var notes: [(offset: Int, note: Note)] = []
    /// All of it but for what says how much was taken.
    var load = Load()
    let sender: Int

    init(from sender: Int) { self.sender = sender }
    var isEmpty: Bool { frames.isEmpty && notes.isEmpty }
}

/// The way from one loop to another: what a turn stages for it goes there at once, at the end of the turn.
final class Courier {
    private var staged: GatewayBatch
    private let mailbox: Mailbox<GatewayBatch>
    private let sender: Int
    private let window: Load
    /// What the other loop has not worked off.
    private var underWay = Load()
    /// Peers that wait until it has.
    private(set) var waiting = Feeders()

    init(to mailbox: Mailbox<GatewayBatch>, from sender: Int, window: Load) {
        (self.mailbox, self.sender, self.window) = (mailbox, sender, window)
        staged = GatewayBatch(from: sender)
    }

    /// The other loop is too far behind to be sent so many bytes: whoever feeds it is to wait.
    @inline(__always)
    func isFull(for count: Int = 0) -> Bool {
        underWay.pieces >= window.pieces || underWay.bytes > 0 && underWay.bytes + count > window.bytes
    }

    func add(_ frame: RawSpan) {
        unsafe frame.withUnsafeBytes { unsafe staged.frames.append(contentsOf: $0) }
        staged.load.add(frame.byteCount)
        underWay.add(frame.byteCount)
    }

    func add(_ note: GatewayBatch.Note) {
        staged.notes.append((staged.frames.count, note))
        if case .taken = note { return }  // Answers to answers would never end.
        staged.load.add(0)
        underWay.add(0)
    }

    func waits(_ feeder: LinkID, on loop: Loop) { waiting.append(feeder, on: loop) }

    /// The feeders that may go on, now that the other loop has worked off so much.
    func taken(_ load: Load) -> [LinkID] {
        underWay -= load
        let isLow = underWay.bytes <= window.bytes / 2 && underWay.pieces <= window.pieces / 2
        return isLow ? waiting.takeAll() : []
    }

    func handOver() {
        guard !staged.isEmpty else { return }
        // A loop that has ended takes nothing; whoever lives there is gone.
        mailbox.post(exchange(&staged, with: GatewayBatch(from: sender)))
    }
}

/// What is on its way to a loop: bytes of frames, and how many frames and notes.
struct Load: Sendable, Equatable {
    var bytes = 0
    var pieces = 0

    @inline(__always)
    mutating func add(_ count: Int) {
        bytes += count
        pieces += 1
    }

    static func -= (sum: inout Load, other: Load) {
        sum.bytes -= other.bytes
        sum.pieces -= other.pieces
    }
}

/// Peers that wait for something.
struct Feeders {
    private var links: [LinkID] = []

    var count: Int { links.count }

    mutating func append(_ feeder: LinkID, on loop: Loop) {
        links.append(feeder)
        // Those who come, wait and leave must not be remembered for ever. Who is left is asked now and then.
        if count >= 64, count & (count - 1) == 0 { links.removeAll { loop.link($0) == nil } }
    }

    mutating func takeAll() -> [LinkID] { exchange(&links, with: []) }
}
