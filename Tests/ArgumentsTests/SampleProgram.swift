import OmniwayArguments
import Testing

/// A program with a flag of every kind.
enum Sample {
    enum Format: String, CaseIterable { case text, json }

    static let metrics = Flag("metrics", .boolean, default: true, help: "Counts what happens.")
    static let loops = Flag("loops", .integer(1...256), default: 2, help: "Event loops; by default one for each core.")
    static let offset = Flag("offset", .integer(-10...Int.max), default: 0, help: "Added to every port.")
    static let address = Flag(
        "client-addr", .string, default: "127.0.0.1:0", placeholder: "address",
        aliases: ["listen", "ClientAddr", "clientaddress"], help: "Where clients connect.")
    static let idleTimeout = Flag(
        "client-idle-timeout", .duration, default: .seconds(30), aliases: ["ClientIdleTimeout"],
        help: "Closes a link that was silent for this long, so that clients which vanished do not hold memory.")
    static let maxPacket = Flag("max-packet", .size, default: 512 << 10, help: "Longest packet.")
    static let verbose = Flag("verbose", .boolean, default: false, aliases: ["Verbose", "v"], help: "Logs more.")
    static let format = Flag("log-format", .choice, default: Format.text, help: "How logs are written.")
    static let peers = Flag("peer", .strings, default: [], placeholder: "address", help: "Another node.")

    static let config = Argument("config", .string, help: "The configuration file.")
    static let limit = Argument("limit", .size, default: 1 << 20, help: "How much of it to read.")
    static let keys = Argument("key", .strings, default: [], help: "What to print; by default everything.")

    static let up = Command(
        "up", summary: "Starts a whole node.",
        notes: """
            SIGTERM and SIGINT drain all links and end the process. A second signal of either kind ends it at once.

                omniway up --loops 4
            """,
        flags: [loops, offset, address, idleTimeout, maxPacket, verbose, format, peers])
    static let check = Command(
        "check", summary: "Reads a configuration file.", arguments: [config, limit, keys])
    static let program = Command(
        "omniway", summary: "Connects everything with everything.", flags: [metrics],
        subcommands: [up, Command("config", summary: "Works on configuration files.", subcommands: [check])])

    /// What `omniway up` with these words runs with.
    static func up(_ words: String...) throws -> Invocation { try run(["up"] + words) }

    static func run(_ words: [String]) throws -> Invocation { try #require(try program.parse(words).invocation) }

    /// The help that these words ask for, or nothing.
    static func help(_ words: String...) throws -> String? { try program.parse(words).help }

    /// What is wrong with these words, or nothing.
    static func complaint(_ words: String...) -> String? {
        do throws(UsageError) {
            _ = try program.parse(words)
            return nil
        } catch {
            return error.description
        }
    }
}

extension Command.Outcome {
    var invocation: Invocation? {
        switch self {
        case .run(let invocation): invocation
        case .help: nil
        }
    }

    var help: String? {
        switch self {
        case .run: nil
        case .help(let text): text
        }
    }
}
