import Glibc
import OmniwayAdmin
public import OmniwayApp
import OmniwayTelemetry
public import OmniwayTransport

extension App {
    /// Starts, serves until the process is told to end (SIGTERM, Ctrl-C), lets what is under way come to its end, and
    /// stops. A second signal ends the process at once. At `admin` operators are answered.
    public func run(loops count: Int = EventLoops.defaultCount, admin address: SocketAddress? = nil) async throws {
        let events = ProcessSignals().events
        let loops = EventLoops(count: count)
        var admin: Admin?
        do {
            if let address { admin = try await Admin(at: address, of: loops, version: Version.current) }
            try await start(on: loops)
        } catch {
            await loops.shutdown()
            await admin?.stop()
            throw error
        }
        admin?.readiness.state = .ready
        if let admin { Log.shared.notice("admin listens", ["address": "\(admin.address)"]) }
        for address in addresses { Log.shared.notice("app listens", ["type": type, "address": "\(address)"]) }
        await Self.serve(until: events)
        admin?.readiness.state = .draining
        let hurry = Task.detached { for await event in events { if case .end = event { exit(1) } } }
        let cutOff = await stop()
        if cutOff > 0 { Log.shared.warning("messages cut off", ["count": "\(cutOff)"]) }
        await loops.shutdown()
        await admin?.stop()
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
