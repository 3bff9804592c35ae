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
        /// So many bytes of the other direction's batches have been worked off.
        case taken(Int)
    }
    var frames: [UInt8] = []
    /// Each with the number of bytes in `frames` that come before it.
    var notes: [(offset: Int, note: Note)] = []
    let sender: Int

    init(from sender: Int) { self.sender = sender }
    var isEmpty: Bool { frames.isEmpty && notes.isEmpty }
}

/// The way from one loop to another: what a turn stages for it goes there at once, at the end of the turn.
final class Courier {
    private var staged: GatewayBatch
    private let mailbox: Mailbox<GatewayBatch>
    private let sender: Int
    /// Bytes that the other loop has not worked off.
    private var underWay = 0
    private let window: Int
    /// Peers whose next frame does not fit the window.
    private var waiting: [LinkID] = []

    init(to mailbox: Mailbox<GatewayBatch>, from sender: Int, window: Int) {
        (self.mailbox, self.sender, self.window) = (mailbox, sender, window)
        staged = GatewayBatch(from: sender)
    }

    /// False when the other loop is too far behind; the feeder is to wait then.
    func offer(_ frame: RawSpan) -> Bool {
        if underWay >= window { return false }
        unsafe frame.withUnsafeBytes { unsafe staged.frames.append(contentsOf: $0) }
        underWay += frame.byteCount
        return true
    }

    func add(_ note: GatewayBatch.Note) { staged.notes.append((staged.frames.count, note)) }

    func waits(_ feeder: LinkID) { waiting.append(feeder) }

    /// The feeders that may go on, now that the other loop has worked off so much.
    func taken(_ count: Int) -> [LinkID] {
        underWay -= count
        return underWay <= window / 2 ? exchange(&waiting, with: []) : []
    }

    func handOver() {
        guard !staged.isEmpty else { return }
        // A loop that has ended takes nothing; whoever lives there is gone.
        mailbox.post(exchange(&staged, with: GatewayBatch(from: sender)))
    }
}
