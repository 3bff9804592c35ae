import FoundationEssentials
import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway check`: what is wrong with the settings of `omniway up`, before it is started.
enum Check {
    private static let sample = Flag(
        "sample", .boolean, default: false,
        help: "Write a file with all settings and their defaults, and check nothing.")

    static let command = Command(
        "check", summary: "Says what is wrong with the settings of `omniway up`.",
        notes:
            "It takes the flags of `omniway up`, and opens each port for a moment. Ends with 78 if something is wrong.",
        flags: [sample] + Up.flags)

    static func run(_ call: Invocation) -> ExitCode {
        if call[sample] {
            print(UpSettings.all.sample, terminator: "")
            return .success
        }
        let environment = ProcessInfo.processInfo.environment
        let plan: UpPlan
        do {
            let (settings, unknown) = try Up.read(call, environment)
            for name in unknown { print("variable \(name): sets nothing") }
            plan = try UpPlan(settings, environment: environment)
        } catch {
            complain("\(error)")
            return .configuration
        }
        Task.detached {
            var isWell = true
            for finding in await findings(plan) {
                print("\(finding.what): \(finding.fault ?? "well")")
                if finding.fault != nil { isWell = false }
            }
            leave(with: isWell ? .success : .configuration)
        }
        while true { sleep(.max) }
    }

    struct Finding {
        let what: String
        let fault: String?
    }

    /// Starts each part alone and stops it again: what could not start says so in the same words as `omniway up`.
    @concurrent static func findings(_ plan: UpPlan) async -> [Finding] {
        var findings: [Finding] = []
        if let fault = await fault(of: { _ = try await Node(plan.process).stop() }) {
            findings.append(Finding(what: "admin", fault: fault))
        }
        for part in UpSettings.Part.allCases where plan.parts.contains(part) {
            var alone = plan
            alone.parts = [part]
            alone.process.admin = nil
            let checked = alone
            let fault = await fault(of: {
                let node = try await Node(checked.process)
                try await Up.start(checked, on: node)
                await node.stop()
            })
            findings.append(Finding(what: part.rawValue, fault: fault))
        }
        return findings
    }

    /// Nil when it ends well. What takes too long is left alone: the process is about to end.
    private static func fault(of body: @escaping @Sendable () async throws -> Void) async -> String? {
        let (ends, end) = AsyncStream.makeStream(of: String?.self)
        Task.detached {
            do {
                try await body()
                end.yield(nil)
            } catch { end.yield("\(error)") }
        }
        Task.detached {
            try? await Task.sleep(for: patience)
            end.yield("no end within \(patience); is what it needs there, such as its etcd?")
        }
        for await fault in ends { return fault }
        return nil
    }

    private static let patience = Duration.seconds(10)
}
