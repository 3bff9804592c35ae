import Glibc
import Omniway

/// Sends back what it receives, and counts it.
final class Echo: LinkIntake, LinkHandler {
    let messages: Counter
    init(_ loop: Loop) { messages = loop.meters.counter("example_messages_total", "Pieces that were echoed.") }

    func accept(_ link: Link) -> (any LinkHandler)? { self }
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        messages.add(1)
        link.write(bytes, endOfMessage: endOfMessage)
        return bytes.byteCount
    }
    func finished(_ link: Link) { link.finish() }
}

/// A daemon with commands of its own: `echo busy > example.cmd && kill -USR1 $(cat example.pid)`.
@main struct Example {
    static func main() async throws {
        let signals = ProcessSignals()
        guard let files = DaemonFiles(name: "example") else { return }
        let loops = EventLoops(count: 2)
        let echo = try await StreamAcceptor(.loopback()).open(into: loops.own { Echo($0) })

        let commands = SignalCommands(files)
        commands.registerLookups(of: loops)
        commands.register("messages", "Logs how many pieces were echoed.") { _, output in
            let count = await loops.snapshot().snapshot.number("example_messages_total")
            output.log.notice("messages", ["count": "\(Int(count ?? 0))"])
        }
        commands.register("busy", "Keeps a processor busy for a second.") { words, output in
            let until = ContinuousClock.now + .seconds(1)
            var sum: UInt64 = 0
            while ContinuousClock.now < until { sum = keepBusy(sum) }
            try await output.write("busy", "\(words.joined(separator: " ")) \(sum)\n")
        }

        let pid = try PidFile(files)
        Log.shared.notice("listening", ["echo": "\(echo.address)"])
        for await event in signals.events {
            switch event {
            case .command: commands.signalled()
            case .hangUp: Log.shared.notice("nothing to open again")
            case .drain(let signal):
                Log.shared.notice("stopping", ["signal": signal])
                Task {
                    await echo.stop()
                    await loops.shutdown()
                    end(pid, 0)
                }
            case .end: end(pid, 1)
            }
        }
    }

    static func end(_ pid: PidFile, _ code: Int32) -> Never {
        pid.remove()
        Log.shared.flush()
        exit(code)
    }
}

/// Something for a profile to show.
@inline(never) func keepBusy(_ start: UInt64) -> UInt64 {
    (0..<10_000).reduce(start) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
}
