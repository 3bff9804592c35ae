import Glibc
import OmniwayTransport
import Synchronization

/// The bare relay of relaylimit.c on our links: the same protocol, the same table, the same loops.
@main
struct RelayBenchmark {
    nonisolated static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 2, let port = UInt16(arguments[1]),
            let threads = arguments.count > 2 ? Int(arguments[2]) : 1, (1...8).contains(threads)
        else {
            print("usage: RelayBenchmark PORT [THREADS, 1 to 8]")
            exit(2)
        }
        raiseDescriptorLimit()
        // Not an async main: it would end the main thread, which valgrind does not survive.
        Task.detached {
            do {
                try await listen(port, threads)
            } catch {
                print("\(error)")
                exit(1)
            }
        }
        while true { pause() }
    }

    private static func listen(_ port: UInt16, _ threads: Int) async throws {
        let table = Bindings()
        var shards: [LoopBound<RelayShard>] = []
        for index in 0..<threads {
            shards.append(await EventLoop(index: index).own { RelayShard(on: $0, table) })
        }
        var mailboxes: [Mailbox<[UInt8]>] = []
        for shard in shards { mailboxes.append(await shard.run { $1.mailbox }) }
        for shard in shards { await shard.run { [mailboxes] in $1.peers = mailboxes } }
        // The load is a closed loop, as for the C program: nothing bounds the queues but the frames under way.
        let queue = QueueLimits(low: 256 << 20, high: 512 << 20, most: QueueLimits.largest, unread: 2 << 20)
        let acceptor = StreamAcceptor(.loopback(port: port), spread: .kernel, queue: queue)
        _ = try await acceptor.open(into: shards)
    }

    static func raiseDescriptorLimit() {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// Who is bound to the two sides of an id: loop number << 56 | link id, 0 = nobody. Read without locks by every loop.
@safe
final class Bindings: @unchecked Sendable {  // Safe because its memory never moves and its cells are atomic.
    static let count = 1 << 17
    let cells: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        unsafe cells = .allocate(capacity: 2 * Self.count)
        for index in 0..<2 * Self.count { unsafe (cells + index).initialize(to: Atomic(0)) }
    }
}

/// The relay's part on one loop.
final class RelayShard: LinkIntake, LinkHandler {
    private static let maxLength = 1 << 20
    private let loop: Loop
    private let table: Bindings
    private var outbound: [[UInt8]] = []
    var peers: [Mailbox<[UInt8]>] = [] { didSet { outbound = Array(repeating: [], count: peers.count) } }
    private(set) var mailbox: Mailbox<[UInt8]>

    init(on loop: Loop, _ table: Bindings) {
        (self.loop, self.table) = (loop, table)
        mailbox = loop.mailbox { _ in }
        mailbox = loop.mailbox { [unowned self] in take($0) }
        loop.atEndOfTurn(self)
    }

    func accept(_ link: Link) -> (any LinkHandler)? { self }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        let ours = UInt64(loop.index) << 56 | link.id.rawValue
        var at = 0
        let count = bytes.byteCount
        while count - at >= 8 {
            let length = Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt32.self))
            guard length >= 4, length <= Self.maxLength else {
                link.close(.unreadLimit)
                return at
            }
            guard count - at >= 4 + length else { break }
            let frame = unsafe bytes.extracting(unchecked: at..<at + 4 + length)
            let id = Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
            if id == 0 { bind(frame, ours, link) } else { forward(frame, id, ours) }
            at += 4 + length
        }
        return at
    }

    @inline(__always)
    private func forward(_ frame: RawSpan, _ id: Int, _ ours: UInt64) {
        guard id < Bindings.count else { return }
        let client = unsafe table.cells[2 * id].load(ordering: .relaxed)
        let to = client == ours ? unsafe table.cells[2 * id + 1].load(ordering: .relaxed) : client
        guard to != 0 else { return }
        let home = Int(to >> 56)
        if home == loop.index {
            loop.write(frame, to: LinkID(rawValue: to & 0x00ff_ffff_ffff_ffff))
        } else {
            stage(frame, to, home)
        }
    }

    private func stage(_ frame: RawSpan, _ to: UInt64, _ home: Int) {
        unsafe withUnsafeBytes(of: to & 0x00ff_ffff_ffff_ffff) { unsafe outbound[home].append(contentsOf: $0) }
        unsafe frame.withUnsafeBytes { unsafe outbound[home].append(contentsOf: $0) }
    }

    private func bind(_ frame: RawSpan, _ ours: UInt64, _ link: Link) {
        guard frame.byteCount >= 17 else { return link.close(.unreadLimit) }
        let side = Int(unsafe frame.unsafeLoad(fromByteOffset: 8, as: UInt8.self)) & 1
        let first = Int(unsafe frame.unsafeLoadUnaligned(fromByteOffset: 9, as: UInt32.self))
        let count = Int(unsafe frame.unsafeLoadUnaligned(fromByteOffset: 13, as: UInt32.self))
        for id in first..<min(first + count, Bindings.count) {
            unsafe table.cells[2 * id + side].store(ours, ordering: .relaxed)
        }
        link.write(frame)
    }

    private func take(_ frames: [UInt8]) {
        unsafe frames.withUnsafeBytes { bytes in
            var at = 0
            while at < bytes.count {
                let to = unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                let count = 4 + Int(unsafe bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self))
                unsafe loop.write(RawSpan(_unsafeBytes: bytes[at + 8..<at + 8 + count]), to: LinkID(rawValue: to))
                at += 8 + count
            }
        }
    }
}

extension RelayShard: TurnObserver {
    func turnEnds(on loop: Loop) {
        for home in outbound.indices where !outbound[home].isEmpty {
            peers[home].post(outbound[home])
            outbound[home] = []
        }
    }
}
