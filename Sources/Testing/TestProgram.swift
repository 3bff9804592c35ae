import Glibc
import Synchronization
import OmniwayTransport

/// A real program for the time of a test: started on free ports, and gone when the test is over, whatever happened.
public final class TestProgram: Sendable {
    public let pid: Int32
    private let loop: EventLoop
    private let isStopped = Atomic<Bool>(false)
    private let output: LoopBound<ProgramOutput>

    /// Starts `command` and waits until `isReady` accepts one of its lines, on either output. It dies with this
    /// process.
    public init(
        _ command: [String], within limit: Duration = .seconds(20), until isReady: @escaping @Sendable (String) -> Bool
    ) async throws {
        // On a thread that stays: the program dies with the thread that started it.
        let spawned = await HelperPool.shared.run { Result { try Self.spawn(command) } }
        guard let (pid, descriptor) = try spawned?.get() else { throw TestProgramError.busy }
        self.pid = pid
        loop = EventLoop()
        output = await loop.own { loop in
            let output = ProgramOutput()
            _ = loop.adopt(OwnedDescriptor(descriptor), handler: output)
            return output
        }
        guard await wait(within: limit, for: isReady) else {
            let lines = await lines
            await stop()
            throw TestProgramError.notReady(command.joined(separator: " "), lines: lines)
        }
    }

    deinit {
        guard !isStopped.load(ordering: .relaxed) else { return }
        // A test that forgot to stop it, or failed before it could.
        kill(pid, SIGKILL)
        let (pid, loop) = (pid, loop)
        Task {
            // One that has ended and is not fetched keeps the testing library from hearing of others.
            _ = await HelperPool.shared.run { Self.reap(pid) }
            await loop.shutdown()
        }
    }

    /// What it has printed so far.
    public var lines: [String] { get async { await output.run { _, output in output.lines } } }

    /// Waits until it has printed a line that `matches`. False when it ended, or the time did.
    public func wait(within limit: Duration = .seconds(20), for matches: @escaping @Sendable (String) -> Bool) async
        -> Bool
    {
        let output = output
        return await withCheckedContinuation { waiter in
            Task { await output.run { loop, output in output.wait(for: matches, within: limit, waiter, on: loop) } }
        }
    }

    /// Asks it to end, by SIGTERM unless told otherwise, and after two seconds no longer asks.
    /// Its exit status, or 128 and the number of the signal that ended it.
    @discardableResult
    public func stop(signal: Int32? = nil) async -> Int32 {
        if isStopped.exchange(true, ordering: .relaxed) { return 0 }  // The number may be somebody else's by now.
        kill(pid, signal ?? SIGTERM)
        let pid = pid
        let status = await HelperPool.shared.run { Self.reap(pid) } ?? -1
        await loop.shutdown()
        return status
    }

    private static func reap(_ pid: pid_t) -> Int32 {
        var status: Int32 = 0
        for attempt in 0... {
            let result = unsafe waitpid(pid, &status, WNOHANG)
            if result != 0 { break }
            if attempt == 400 { kill(pid, SIGKILL) }
            usleep(5000)  // Another process's end can only be polled for; nothing else waits for this.
        }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
    }

    /// A TCP port that nobody had a moment ago.
    public static func freePort() throws -> UInt16 {
        let socket = try OwnedDescriptor.listening(on: .loopback())
        return socket.localAddress.port
    }

    private static func spawn(_ command: [String]) throws -> (pid: Int32, descriptor: Int32) {
        // It must not outlive a test run that was killed; setpriv is part of every Debian and Ubuntu.
        let words = ["setpriv", "--pdeathsig", "KILL", "--"] + command
        var ends: [Int32] = [0, 0]
        // A pair of sockets, so that a loop can read it like any link.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError(number: errno) }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        // Our helper threads block signals, and a program inherits that.
        var attributes = posix_spawnattr_t()
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var pid: pid_t = 0
        let error = unsafe posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, environ)
        close(ends[1])
        guard error == 0 else {
            close(ends[0])
            throw SystemError(number: error)
        }
        return (pid, ends[0])
    }
}

public enum TestProgramError: Error, CustomStringConvertible {
    case notReady(String, lines: [String])
    case busy
    public var description: String {
        switch self {
        case .busy: "too much waits for the helper threads; start fewer programs at once"
        case .notReady(let command, let lines):
            "`\(command)` was not ready in time; it said: \(lines.suffix(20).joined(separator: " / "))"
        }
    }
}
