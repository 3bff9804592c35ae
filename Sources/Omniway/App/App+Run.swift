import Glibc
import OmniwayAdmin
public import OmniwayApp
import OmniwayTelemetry

extension App {
    /// Starts, serves until the process is told to end (SIGTERM, Ctrl-C), lets what is under way come to its end, and
    /// stops. A second signal ends the process at once.
    public func run() async throws {
        let events = ProcessSignals().events
        let loops = EventLoops()
        do {
            try await start(on: loops)
        } catch {
            await loops.shutdown()
            throw error
        }
        for address in addresses { Log.shared.notice("app listens", ["type": type, "address": "\(address)"]) }
        await Self.serve(until: events)
        let hurry = Task.detached { for await event in events { if case .end = event { exit(1) } } }
        let cutOff = await stop()
        if cutOff > 0 { Log.shared.warning("messages cut off", ["count": "\(cutOff)"]) }
        await loops.shutdown()
        hurry.cancel()
        Log.shared.flush()
    }

    private static func serve(until events: AsyncStream<ProcessSignals.Event>) async {
        for await event in events {
            switch event {
            case .drain(let signal): return Log.shared.notice("stopping", ["signal": signal])
            case .hangUp: reopenLog()
            case .command, .end: break
            }
        }
    }

    private static func reopenLog() {
        do throws(LogFileError) {
            try Log.shared.reopen()
        } catch { Log.shared.error("log file not opened again", ["error": "\(error)"]) }
    }
}
