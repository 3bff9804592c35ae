import OmniwayTelemetry
public import OmniwayTransport

extension SignalCommands {
    /// Adds the commands that look into the process: `cpuprof` and `lookup`. What the loops and `inventories` are asked
    /// they must answer within `patience`; a loop that does not is named, and not waited for.
    public func registerLookups(
        of loops: EventLoops, _ inventories: [Inventory] = [], patience: Duration = .seconds(1)
    ) {
        let inspector = Inspector(loops: loops, inventories: inventories, patience: patience)
        registerProfile()
        lookup("block", "where work waits: lag and length of turns, locks, queues") { detail, output in
            try await output.write("block", await inspector.waits(detail))
        }
        lookup("goroutine", "what is alive: threads, loops, connections; 1 lists them, 2 adds stacks") {
            detail, output in
            try await output.write("goroutine", try await inspector.alive(detail))
        }
        lookup("heap", "what holds memory: allocator, pools, connections, tables; 1 lists connections") {
            detail, output in
            try await output.write("heap", try await inspector.heap(detail))
        }
        lookup("threadcreate", "the threads and who started them; 1 adds where") { detail, output in
            try await output.write("threadcreate", try await offLoop { ThreadTable.report(detail) })
        }
        lookup("gc", "memory in one line") { _, output in
            let memory = await inspector.memory()
            output.log.notice(
                "memory",
                [
                    "NumGC": "0", "resident": memory.resident, "in-use": memory.inUse, "free": memory.free,
                    "pool": memory.pool, "pool-allocations": memory.allocations, "silent-loops": memory.silent,
                ])
        }
    }

    private func registerProfile() {
        register("cpuprof start", "Begins to sample what the processors do.") { _, output in
            try await CPUProfiler.shared.start()
            output.log.notice("cpuprof started", ["hint": "write cpuprof stop into the command file and signal again"])
        }
        register("cpuprof stop", "Ends it and writes a profile for go tool pprof and others.") { _, output in
            let profile = try await CPUProfiler.shared.stop()
            try await output.write("cpu", try await offLoop { profile.pprof })
            if profile.lost > 0 { output.log.warning("cpuprof incomplete", ["lost-samples": "\(profile.lost)"]) }
        }
    }

    /// `lookup <what>`, alone or with a number of up to four digits: how much is to be said.
    private func lookup(
        _ what: String, _ help: String,
        _ body: @escaping @Sendable @concurrent (Int, CommandOutput) async throws -> Void
    ) {
        register("lookup \(what)", "Shows \(help).") { words, output in
            try await body(try LookupDetail.parse(words), output)
        }
    }
}

/// The number behind a look-up; without one it is 0.
enum LookupDetail: Error, CustomStringConvertible {
    case notDigits(String)

    static func parse(_ words: [String]) throws(LookupDetail) -> Int {
        guard let word = words.first else { return 0 }
        guard words.count == 1, word.utf8.count <= 4, word.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(word)
        else { throw .notDigits(words.joined(separator: " ")) }
        return number
    }

    var description: String {
        switch self {
        case .notDigits(let text): "\"\(text)\" is not one number of up to four digits; write 0, 1 or 2, or nothing"
        }
    }
}
