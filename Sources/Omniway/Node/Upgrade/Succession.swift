import Glibc
import OmniwayTelemetry
public import OmniwayTransport

/// How a running process gives its place to a new one: all its listening sockets, and afterwards the connections on
/// which its streams of snet are resumed. Until the new one is ready, and if it never is, nothing changes.
public actor Succession {
    private enum State { case alone, waiting(for: Int32), handedOver }
    private var state = State.alone
    private let arguments: [String]
    private let environment: [String: String]
    private let service: Supervisor
    private let patience: Duration

    /// The new process gets the words and the variables of this one. It has so long to become ready.
    public init(
        _ arguments: [String], _ environment: [String: String], _ service: Supervisor,
        patience: Duration = .seconds(60)
    ) {
        _ = Program.own  // While its file is still the one that runs.
        (self.arguments, self.service, self.patience) = (arguments, service, patience)
        // What was for this process alone.
        let own = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"]
        self.environment = environment.filter { !own.contains($0.key) }
            .merging([Predecessor.variable: "3"]) { $1 }
    }

    /// Starts the file of this process again, which may be another by now, or the one at `path`. Returns the number of
    /// the new process when that is ready, and this one accepts no more.
    public func handOver(to path: String? = nil) async throws(UpgradeError) -> Int32 {
        switch state {
        case .alone: break
        case .waiting(let pid): throw .underWay(pid)
        case .handedOver: throw .isOver
        }
        // With process 1 a container ends, whoever else is in it.
        guard getpid() != 1 else { throw .container }
        guard let program = path.map({ Program($0) }) ?? Program.own else { throw .notStarted("?", ENOENT) }
        let line: HandoverLine
        let pid: Int32
        do throws(SystemError) {
            let pair = try HandoverLine.pair()
            let others = OwnedDescriptor(pair.1)
            guard let near = HandoverLine(OwnedDescriptor(pair.0)) else { throw SystemError(number: EPROTO) }
            line = near
            pid = try program.start(arguments, environment, with: others)
        } catch { throw .notStarted(program.path, error.number) }
        state = .waiting(for: pid)
        Log.shared.notice("a new process takes this one's place", ["pid": "\(pid)", "program": program.path])
        let patience = patience
        var trouble = await HelperPool.shared.run { Self.talk(on: line, within: patience) } ?? "this one has no time"
        if trouble == nil {
            if case .waiting = state {} else { trouble = "this process is ending" }
        }
        // For a moment both may accept: better than nobody, when the new one ends at this very time.
        if trouble == nil { trouble = Self.letGo(line) }
        if let trouble {
            _ = await HelperPool.shared.run { Program.end(pid) }
            if case .waiting = state { state = .alone }
            throw .notReady(pid, trouble)
        }
        state = .handedOver
        service.mainProcess(pid)
        Self.serve(line)
        await ListeningSockets.shared.letGo()
        Log.shared.notice("handed over", ["pid": "\(pid)"])
        return pid
    }

    /// This process ends: a new one that is not ready yet ends too.
    public func giveUp() {
        guard case .waiting(let pid) = state else { return }
        state = .handedOver
        kill(pid, SIGKILL)
    }

    // MARK: On a helper thread

    /// From now on the new process accepts. What is wrong; nil when it has heard.
    private static func letGo(_ line: HandoverLine) -> String? {
        do throws(SystemError) {
            try line.send(HandoverMessage(.go))
            return nil
        } catch { return "\(error)" }
    }

    /// Takes back connections for as long as this process lives.
    private static func serve(_ line: HandoverLine) {
        let isStarted = BackgroundThread.start("returns", for: "waits for connections of streams that are here") {
            line.wait(atMost: nil)
            while let heard = try? line.receive() {
                if let number = heard.descriptor { SnetReturns.shared.take(heard.message, OwnedDescriptor(number)) }
            }
        }
        if !isStarted { Log.shared.error("no thread for returns", ["try": "raise `ulimit -u`"]) }
    }

    /// Gives the sockets, and waits until the new process is ready. What is wrong; nil when it is.
    private static func talk(on line: HandoverLine, within patience: Duration) -> String? {
        do throws(SystemError) {
            line.wait(atMost: patience)
            try ListeningSockets.shared.forEachCopy { copy throws(SystemError) in
                let words = [copy.kind.rawValue, copy.isOthers ? "others" : "own", "\(copy.asked)"]
                try line.sendAndWait(
                    HandoverMessage(.socket, words, Array((copy.name ?? "").utf8)), copy.descriptor)
            }
            for older in SnetReturns.shared.lines { try line.sendAndWait(HandoverMessage(.line), older) }
            try line.send(HandoverMessage(.begin))
            while let (message, number) = try line.receive() {
                if let number { close(number) }
                if message.word == .ready { return nil }
            }
            return "it has ended; its log says why"
        } catch { return [EAGAIN, ETIMEDOUT].contains(error.number) ? "not within \(patience)" : "\(error)" }
    }
}

public enum UpgradeError: Error, Equatable, CustomStringConvertible {
    case underWay(Int32)
    case isOver
    case container
    case notStarted(String, Int32)
    case notReady(Int32, String)

    public var description: String {
        switch self {
        case .underWay(let pid): "process \(pid) is starting already; wait for it"
        case .isOver: "this process has given its place away and is about to end; ask the new one"
        case .container: "process 1 of a container cannot be replaced within it; start another container"
        case .notStarted(let path, let number): "cannot start \(path): \(SystemError(number: number))"
        case .notReady(let pid, let why): "the new process \(pid) has not become ready: \(why); the old one goes on"
        }
    }
}
