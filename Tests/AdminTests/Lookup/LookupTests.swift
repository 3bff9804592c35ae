import Glibc
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Synchronization
import Testing

@testable import OmniwayAdmin

@Suite(.timeLimit(.minutes(1))) struct LookupTests {
    private let folder: TemporaryFolder
    private let lines = Lines()
    private let commands: SignalCommands
    init() throws {
        folder = try TemporaryFolder()
        commands = SignalCommands(try #require(DaemonFiles(name: "daemon", folder: folder.path)), log: lines.log)
    }

    /// Two loops; on the first a listener, and one connection to it, whose far end reads nothing.
    private func withLink(_ body: (EventLoops) async throws -> Void) async throws {
        let loops = EventLoops(count: 2)
        let listening = try await StreamAcceptor(.loopback()).open(into: [loops.loops[0].own { _ in Silent() }])
        let (opened, isOpen) = AsyncStream.makeStream(of: Void.self)
        let address = listening.address
        let client = await loops.loops[0].own { loop in
            let handler = Flooding(isOpen)
            handler.link = StreamDialer(address).dial(on: loop, deadline: .seconds(10), handler: handler)
            return handler
        }
        for await _ in opened { break }
        try await body(loops)
        await client.release()
        await listening.stop()
        await loops.shutdown()
    }

    private func look(_ what: String) async throws -> String {
        await commands.run("lookup \(what)")
        return try folder.read("daemon.\(what.split(separator: " ")[0]).prof")
    }

    @Test(arguments: ["", " 0", " 1", " 0002", " 9999"])
    func `a look-up takes up to four digits, or none`(_ number: String) async throws {
        commands.registerLookups(of: EventLoops(count: 1))
        for what in ["block", "goroutine", "heap", "threadcreate"] {
            #expect(try await !look("\(what)\(number)").isEmpty)
        }
        await commands.run("lookup gc\(number)")
        #expect(lines.all.count { $0.contains("notice memory NumGC=0 resident=") } == 1)
        #expect(!lines.all.contains { $0.contains("failed") || $0.contains("unknown") })
    }

    @Test(arguments: ["gc 12345", "gc x", "gc 0 0", "heap -1", "block +1"])
    func `other words behind it are refused, and nothing is written`(_ words: String) async throws {
        commands.registerLookups(of: EventLoops(count: 1))
        await commands.run("lookup \(words)")
        #expect(lines.all.count == 1)
        #expect(lines.all[0].contains("up to four digits"))
    }

    @Test func `memory in one line has numbers of this process`() async throws {
        commands.registerLookups(of: EventLoops(count: 1))
        await commands.run("lookup gc")
        let fields = lines.all[0].split(separator: " ")
        for name in ["resident", "in-use"] {
            let field = try #require(fields.first { $0.hasPrefix("\(name)=") })
            #expect(try #require(Int(field.dropFirst(name.count + 1))) > 1 << 20)
        }
    }

    @Test func `goroutine lists threads, loops and links, and with 2 where each thread is`() async throws {
        try await withLink { loops async throws in
            commands.registerLookups(of: loops)
            let counts = try await look("goroutine")
            #expect(counts.contains("loops 2\ntasks 0\nlinks 2\n"))
            let list = try await look("goroutine 1")
            #expect(list.contains("event loop: sockets, timers and handlers"))
            #expect(list.split(separator: "\n").count { $0.contains("127.0.0.1:") && $0.hasSuffix("open") } == 2)
            #expect(list.contains("SocketDriver to Flooding"))
            let stacks = try await look("goroutine 2")
            #expect(stacks.contains("epoll_wait"))
            #expect(stacks.contains("OmniwayTransport.EventLoop"))
        }
    }

    @Test func `block names a queue that waits, and how long it became`() async throws {
        try await withLink { loops async throws in
            commands.registerLookups(of: loops)
            let waits = try await look("block 1")
            let line = try #require(waits.split(separator: "\n").first { $0.contains("Flooding") })
            let numbers = line.split(separator: " ").suffix(2).compactMap { Int($0) }
            #expect(numbers.count == 2 && numbers[0] > 1 << 20 && numbers[1] >= numbers[0])
            #expect(waits.contains("connections with something in their queues 1\n"))
            #expect(waits.contains("links closed as slow readers 0\n"))
            #expect(waits.contains("busy turns"))
            let heap = try await look("heap 1")
            #expect(heap.contains("<malloc version="))
            let held = try #require(heap.split(separator: "\n").first { $0.hasPrefix("held by connections ") })
            #expect(try #require(Int(held.dropFirst("held by connections ".count))) > 1 << 20)
        }
    }

    @Test func `threadcreate says what each thread is for and who started it`() async throws {
        let loops = EventLoops(count: 1)
        commands.registerLookups(of: loops)
        let plain = try await look("threadcreate")
        #expect(plain.contains("loop 0"))
        #expect(!plain.contains("was started by"))
        let places = try await look("threadcreate 1")
        #expect(places.contains("loop 0 was started by"))
        #expect(places.contains("OmniwayTransport.EventLoop"))
        await loops.shutdown()
    }

    @Test func `a face tells of its connections page by page, and their links are not told twice`() async throws {
        try await withLink { loops async throws in
            let inventory = Inventory("gateway") { loop, from in
                var page = InventoryPage()
                guard loop.index == 0 else { return page }
                let links = await loop.run { loop in loop.linkReports(from: 0, atMost: 10).links }
                var record = ConnectionRecord(
                    side: "client", id: "c\(from)", peer: links[from].peer, link: links[from].id)
                (record.virtual, record.queued, record.held, record.session) = (3, 10, 20, "waiting")
                page.connections = [record]
                if from == 0 { page.tables = [TableRecord("routes", entries: 5, bytes: 80)] }
                page.next = from == 0 ? 1 : nil
                return page
            }
            commands.registerLookups(of: loops, [inventory])
            #expect(try await look("goroutine").contains("gateway 2\n"))
            let list = try await look("goroutine 1").split(separator: "\n")
            let told = list.filter { $0.contains("127.0.0.1:") }
            #expect(told.count == 2)
            #expect(told.allSatisfy { $0.contains("gateway client") && $0.hasSuffix("waiting") })
            #expect(try await look("block 1").contains("gateway client c1"))
            #expect(try await look("heap").contains("gateway routes"))
        }
    }

    @Test func `a stuck loop is named and not waited for`() async throws {
        let loops = EventLoops(count: 2)
        commands.registerLookups(of: loops, patience: .milliseconds(50))
        let (isBlocked, release) = (Flag(), Flag())
        async let blocking: Void = loops.loops[1].run { _ in
            isBlocked.raise()
            while !release.isRaised { usleep(500) }  // Blocks its thread, and leaves others the processor.
        }
        while !isBlocked.isRaised { await Task.yield() }
        for what in ["goroutine 1", "block", "heap"] {
            #expect(try await look(what).contains("loop 1 is stuck: a callback has blocked it for 0.05 seconds"))
        }
        await commands.run("lookup gc")
        #expect(lines.all.last?.contains("silent-loops=1") == true)
        release.raise()
        await blocking
        await loops.shutdown()
    }
}

private final class Flag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isRaised: Bool { flag.load(ordering: .acquiring) }
    func raise() { flag.store(true, ordering: .releasing) }
}

/// Reads nothing of what it is sent.
private final class Silent: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? {
        link.pauseReading()
        return self
    }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}

/// Sends more than the system takes.
private final class Flooding: LinkHandler {
    var link: Link?
    private let isOpen: AsyncStream<Void>.Continuation
    init(_ isOpen: AsyncStream<Void>.Continuation) { self.isOpen = isOpen }

    func opened(_ link: Link) {
        link.write([UInt8](repeating: 1, count: 12 << 20))
        link.loop.after(.milliseconds(1), Later { [isOpen] in isOpen.yield() })
    }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}

private final class Later: TimerTarget {
    private let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
    func timerFired(_ token: UInt64, on loop: Loop) { body() }
}
