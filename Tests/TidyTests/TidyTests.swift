import FoundationEssentials
import Testing

/// What the compiler does not check: arrows, names, sizes, and the counts of what must stay rare.
@Suite struct TidyTests {
    /// The arrows of the design: what each folder of Sources may import besides the standard library.
    private static let arrows: [String: Set<String>] = [
        "Crypto": ["COpenSSL", "CZlib"],
        "Wire": ["OmniwayCrypto"],
        "Arguments": [],
        "Telemetry": ["Glibc", "Synchronization", "CSystem"],
        "Transport": [
            "Glibc", "Synchronization", "CSystem", "COpenSSL", "OmniwayWire", "OmniwayCrypto", "OmniwayTelemetry",
        ],
        "Cluster": [
            "Glibc", "Synchronization", "Distributed", "FoundationEssentials", "CSQLite", "OmniwayWire",
            "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry",
        ],
        "Gateway": ["Synchronization", "OmniwayWire", "OmniwayTransport", "OmniwayTelemetry"],
        "App": [
            "FoundationEssentials", "Synchronization", "OmniwayWire", "OmniwayCrypto", "OmniwayTransport",
            "OmniwayTelemetry", "OmniwayCluster",
        ],
        "Tunnel": [
            "Glibc", "OmniwayWire", "OmniwayCrypto", "OmniwayTransport", "OmniwayTelemetry", "OmniwayCluster",
        ],
        "Mesh": ["OmniwayWire", "OmniwayTransport", "OmniwayTelemetry"],
        "Admin": [
            "Glibc", "Synchronization", "CSystem", "OmniwayCrypto", "OmniwayWire", "OmniwayTransport",
            "OmniwayTelemetry",
        ],
        "Omniway": [
            "Glibc", "FoundationEssentials", "OmniwayWire", "OmniwayTransport", "OmniwayTelemetry", "OmniwayGateway",
            "OmniwayApp", "OmniwayAdmin", "OmniwayCluster", "OmniwayMesh", "OmniwayTunnel",
        ],
        "Main": ["Glibc", "FoundationEssentials", "Omniway", "OmniwayArguments"],
        "Command": [
            "Glibc", "FoundationEssentials", "Omniway", "OmniwayMain", "OmniwayArguments", "OmniwayTesting", "RoomApp",
        ],
        "Testing": ["Glibc", "Synchronization", "FoundationEssentials", "OmniwayWire", "OmniwayTransport"],
    ]

    @Test func `imports follow the arrows`() throws {
        var seen: Set<String> = []
        for file in try SourceTree.files(in: "Sources") where file.isSwift {
            let folder = String(file.path.split(separator: "/")[1])
            seen.insert(folder)
            let allowed = try #require(Self.arrows[folder], "Sources/\(folder) has no arrows yet; draw them here")
            for line in file.code where line.contains("import ") {
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"),
                    words[..<index].allSatisfy({
                        $0.first == "@" || $0.last == "c" || $0 == "internal" || $0 == "package"
                    })
                else { continue }
                // `import struct OmniwayWire.SeededRandom` imports from OmniwayWire.
                let name = words[(index + 1)...].first { $0 != "struct" } ?? ""
                let module = String(name.prefix { $0 != "." })
                #expect(allowed.contains(module), "\(file.path) imports \(module)")
            }
        }
        #expect(seen == Set(Self.arrows.keys))
    }

    @Test func `no file or type is named after what everything could be`() throws {
        let banned = ["Manager", "Util", "Utils", "Utilities", "Common", "Base", "Impl"]
        for file in try SourceTree.files(in: "Sources", "Tests", "Benchmarks", "Examples") {
            for part in file.path.split(separator: "/") {
                let stem = part.split(separator: ".").first ?? ""
                #expect(!banned.contains { stem.hasSuffix($0) }, "\(file.path)")
            }
            guard file.isSwift else { continue }
            for line in file.code {
                let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
                for (keyword, name) in zip(words, words.dropFirst())
                where ["class", "struct", "enum", "actor", "protocol"].contains(keyword) {
                    #expect(!banned.contains { name.hasSuffix($0) }, "\(file.path): \(name)")
                }
            }
        }
    }

    @Test func `no line is longer than 120 columns`() throws {
        for file in try SourceTree.files(in: "Package.swift", "Sources", "Tests", "Benchmarks", "Examples")
        where file.isSwift || file.path.hasSuffix(".h") || file.path.hasPrefix("Sources/") && file.path.hasSuffix(".c")
        {
            let long = file.lines.enumerated().filter { $1.utf8.count > 120 && $1.count > 120 }.map { $0.offset + 1 }
            #expect(long.isEmpty, "\(file.path) at lines \(long)")
        }
    }

    @Test func `files above 400 lines are those that were agreed on`() throws {
        let agreed: Set<String> = []
        let long = try SourceTree.files(in: "Sources", "Tests", "Benchmarks/relay/swift").filter {
            $0.isSwift && $0.lines.count > 400
        }
        #expect(Set(long.map(\.path)) == agreed, "look for the second concept in a file before adding it to the list")
    }

    @Test func `what is not finished does not land`() throws {
        let marks = ["TO" + "DO", "FIX" + "ME", "fatalError(\"not", ".disabl" + "ed("]
        for file in try SourceTree.files(
            in: "Sources", "Tests", "Benchmarks", "Examples", "scripts", "docs", "README.md")
        {
            for mark in marks { #expect(!file.text.contains(mark), "\(file.path) has \(mark)") }
        }
    }

    @Test func `a test that the guides name is there`() throws {
        let tests = try SourceTree.files(in: "Tests").filter(\.isSwift).map(\.text).joined(separator: "\n")
        var count = 0
        for guide in try SourceTree.files(in: "docs") {
            for section in guide.text.split(separator: "\n## ") where section.hasPrefix("What the tests show") {
                for (index, name) in section.split(separator: "`").enumerated() where !index.isMultiple(of: 2) {
                    let isThere = tests.contains("func `\(name)`") || tests.contains("struct \(name) {")
                    #expect(isThere, "\(guide.path) names a test \"\(name)\"")
                    count += 1
                }
            }
        }
        #expect(count > 20, "docs/mesh.md has a table of them")
    }

    /// `Tests/TidyTests/rare.json` holds the numbers. They may fall; one that rises is explained in its commit.
    @Test func `what must stay rare has not become more`() throws {
        let agreed = try JSONDecoder().decode(
            [String: [String: Int]].self,
            from: Data(contentsOf: URL(filePath: SourceTree.root + "/Tests/TidyTests/rare.json")))
        var counted: [String: [String: Int]] = [:]
        for file in try SourceTree.files(in: "Sources") where file.isSwift {
            let folder = String(file.path.split(separator: "/")[1])
            for line in file.code {
                let words = line.split { !$0.isLetter && $0 != "@" && $0 != "(" && $0 != ")" }.map(String.init)
                for (index, word) in words.enumerated() {
                    if word == "unsafe" { counted[folder, default: [:]]["unsafe", default: 0] += 1 }
                    if word.contains("nonisolated(unsafe)") {
                        counted[folder, default: [:]]["nonisolated(unsafe)", default: 0] += 1
                    }
                    if word == "@unchecked", words.dropFirst(index + 1).first == "Sendable" {
                        counted[folder, default: [:]]["@unchecked Sendable", default: 0] += 1
                    }
                    if word.contains("@exclusivity") { counted[folder, default: [:]]["@exclusivity", default: 0] += 1 }
                }
            }
        }
        for folder in Set(agreed.keys).union(counted.keys).sorted() {
            for word in Set(agreed[folder, default: [:]].keys).union(counted[folder, default: [:]].keys).sorted() {
                let (limit, count) = (agreed[folder]?[word] ?? 0, counted[folder]?[word] ?? 0)
                #expect(
                    count == limit,
                    "\(folder): \(count) × \(word), agreed were \(limit); change rare.json and say why in the commit")
            }
        }
    }

    @Test func `every use of the unchecked says why it is safe`() throws {
        for file in try SourceTree.files(in: "Sources") where file.isSwift {
            for (index, line) in file.lines.enumerated()
            where line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
                let near = file.lines[max(0, index - 2)...min(file.lines.count - 1, index + 1)]
                #expect(near.contains { $0.contains("Safe because") }, "\(file.path):\(index + 1)")
            }
        }
    }

    /// In Swift 6.3 a closure with a capture list that becomes an async function leaves its loop without a word.
    @Test func `no closure with a capture list is async`() throws {
        for file in try SourceTree.files(in: "Sources", "Examples", "Benchmarks") where file.isSwift {
            let code = file.code.joined(separator: "\n")
            for (place, body) in Self.closuresWithLists(in: code) {
                let line = code[..<place].count { $0 == "\n" } + 1
                #expect(
                    !body.contains("await "),
                    "\(file.path):\(line): bind locals before the closure instead of a capture list")
            }
        }
    }

    @Test func `the check for capture lists finds one`() {
        let planted = "let a = 1\nTask { [a] in\n  if true { await work(a) }\n}\nlist.map { [b] in b }"
        let found = Self.closuresWithLists(in: planted)
        #expect(found.map { $0.body.contains("await ") } == [true, false])
    }

    private static func closuresWithLists(in code: String) -> [(place: String.Index, body: Substring)] {
        var found: [(String.Index, Substring)] = []
        var index = code.startIndex
        while let open = code[index...].firstIndex(of: "{") {
            index = code.index(after: open)
            let rest = code[index...].drop { $0 == " " }
            guard rest.first == "[", let end = rest.firstIndex(of: "]"),
                rest[end...].dropFirst().prefix(120).contains(" in"),
                rest[..<end].dropFirst().allSatisfy({ $0.isLetter || $0.isNumber || " ,=_.".contains($0) })
            else { continue }
            var depth = 1
            var close = index
            while depth > 0, close < code.endIndex {
                if code[close] == "{" { depth += 1 }
                if code[close] == "}" { depth -= 1 }
                close = code.index(after: close)
            }
            found.append((open, code[open..<close]))
        }
        return found
    }
}
