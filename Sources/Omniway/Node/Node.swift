import Glibc
public import OmniwayAdmin

/// One running program: its loops, the endpoint for operators, and the parts that live on the loops.
///
/// ```swift
/// let node = try await Node(configuration)
/// let gateway = try await node.start { loops in try await GatewayPart(settings, on: loops) }
/// await node.ready()
/// ```
///
/// Parts start in the order of the calls. They stop together, so that none still accepts while another waits.
public actor Node {
    public struct Configuration: Sendable {
        public var loops = EventLoops.defaultCount
        public var loopLimits = LoopLimits()
        /// Where operators ask over HTTP: `/healthz`, `/readyz`, `/metrics`. Nil for nowhere.
        public var admin: SocketAddress?
        /// How long the parts may take to come to their end.
        public var drainLimit = Duration.seconds(10)
        public init() {}
    }

    /// Something that listens, for the table that a person reads.
    public struct Port: Sendable {
        /// Whom it is for, such as `gateway clients`.
        public let name: String
        /// How to reach it: an address, or a URL where a browser is meant.
        public let address: String

        public init(_ name: String, at address: String) { (self.name, self.address) = (name, address) }
        public init(_ name: String, at address: SocketAddress) { self.init(name, at: "\(address)") }
    }

    public nonisolated let loops: EventLoops
    public nonisolated let drainLimit: Duration
    /// What the parts and the endpoint for operators listen on.
    public private(set) var ports: [Port] = []
    private let admin: Admin?
    private var parts: [any NodePart] = []
    private var isStopped = false
    /// Parts whose start is under way, and who waits until there are none.
    private var starts = 0
    private var waitsForStarts: [CheckedContinuation<Void, Never>] = []
    private var stopping: Task<Int, Never>?

    /// Its loops and the endpoint for operators, which answers that the node is starting.
    public init(_ configuration: Configuration) async throws(ListenError) {
        loops = EventLoops(count: configuration.loops, limits: configuration.loopLimits)
        drainLimit = configuration.drainLimit
        guard let address = configuration.admin else {
            admin = nil
            return
        }
        do throws(ListenError) {
            admin = try await Admin(at: address, of: loops, version: Version.current)
        } catch {
            await loops.shutdown()
            throw error
        }
        guard let admin else { return }
        ports.append(Port("admin", at: "http://\(admin.address)"))
        admin.console.add(Self.overview(of: loops))
    }

    /// Starts one part more. When it cannot start the whole node is stopped, and the error is the part's own. One that
    /// is there only when the node has begun to stop is stopped again.
    public func start<Part: NodePart>(_ make: @Sendable (EventLoops) async throws -> Part) async throws -> Part {
        guard !isStopped else { throw NodeStopped() }
        starts += 1
        do {
            let part: Part
            do {
                part = try await make(loops)
                if isStopped {
                    _ = await part.stop(within: .zero)
                    throw NodeStopped()
                }
                startEnded()
            } catch {
                startEnded()
                throw error
            }
            parts.append(part)
            ports += part.ports
            for view in part.views { admin?.console.add(view) }
            for action in part.actions { admin?.console.add(action) }
            let parts = parts
            admin?.readiness.tell { parts.flatMap(\.troubles) }
            return part
        } catch {
            await stop()
            throw error
        }
    }

    /// Where a person logs in at the dashboard, once; nil where no browser gets to it.
    public func loginLink() async -> String? {
        guard let admin else { return nil }
        if case .unix = admin.address { return nil }
        return "http://\(admin.address)/#login=\(await admin.makeLogin())"
    }

    /// Tells the person at the terminal where to log in. Not the log, which those read who only look.
    package func announceDashboard() async {
        guard let link = await loginLink() else { return }
        print("dashboard \(link), good once")
        fflush(nil)
    }

    /// Secrets for the dashboard: the first one for operators, the second for those who only look.
    public func allow(_ secrets: [Secret]) async { await admin?.allow(secrets) }

    /// Says that it may have work: the last part is there.
    public func ready() {
        if !isStopped { admin?.readiness.state = .ready }
    }

    private func startEnded() {
        starts -= 1
        if starts == 0 { for waiter in exchange(&waitsForStarts, with: []) { waiter.resume() } }
    }

    /// Accepts no more, lets what is under way come to its end, at most so long as the configuration says, and ends.
    /// Returns how many connections were cut off. Who asks again waits for the same end.
    @discardableResult
    public func stop() async -> Int {
        if let stopping { return await stopping.value }
        isStopped = true
        let stopping = Task { await end() }
        self.stopping = stopping
        return await stopping.value
    }

    private func end() async -> Int {
        admin?.readiness.state = .draining
        let (deadline, limit) = (ContinuousClock.now + drainLimit, drainLimit)
        var cutOff = 0
        await withTaskGroup(of: Int.self) { stops in
            for part in exchange(&parts, with: []) { stops.addTask { await part.stop(within: limit) } }
            for await count in stops { cutOff += count }
        }
        // A part that is being made needs the loops.
        if starts > 0 {
            let end = Task {
                do { try await Task.sleep(until: deadline, clock: .continuous) } catch { return }
                giveUpOnStarts()
            }
            await withCheckedContinuation { waitsForStarts.append($0) }
            end.cancel()
        }
        await loops.shutdown()
        await admin?.stop()
        return cutOff
    }

    private func giveUpOnStarts() { for waiter in exchange(&waitsForStarts, with: []) { waiter.resume() } }
}

/// The node was told to stop before the part was there.
public struct NodeStopped: Error, CustomStringConvertible {
    public var description: String { "the node is stopping" }
}

/// Something that lives on the loops of a node: a face, with its ports.
public protocol NodePart: Sendable {
    /// What it listens on.
    var ports: [Node.Port] { get }
    /// What the dashboard shows of it.
    var views: [AdminView] { get }
    /// What operators may do with it there.
    var actions: [AdminAction] { get }
    /// What is not as it should be, while it goes on working: `/readyz` says it.
    var troubles: [String] { get }
    /// Accepts no more, lets what is under way come to its end, at most so long, and ends. Returns how many
    /// connections were cut off.
    func stop(within limit: Duration) async -> Int
}

/// Waits for what comes to its end by itself, at most so long. Returns how much has not.
func left(after limit: Duration, of count: () async -> Int) async -> Int {
    let deadline = ContinuousClock.now + limit
    while true {
        let count = await count()
        if count == 0 || ContinuousClock.now >= deadline { return count }
        try? await Task.sleep(for: .milliseconds(20))  // Cancelled or not, the deadline is what counts.
    }
}

extension NodePart {
    public var views: [AdminView] { [] }
    public var actions: [AdminAction] { [] }
    public var troubles: [String] { [] }
}
