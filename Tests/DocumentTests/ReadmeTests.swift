import FoundationEssentials
import Testing

/// A page of the package, and what it shows between fences.
private struct Page {
    struct Block: Equatable {
        let section: Substring
        let language: Substring
        let text: String
    }

    static let root =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    private static let fence = "```"

    let name: String
    let text: String

    init(_ name: String) throws {
        self.name = name
        text = try String(contentsOfFile: Self.root + "/" + name, encoding: .utf8)
    }

    /// The blocks in their order, each without its fences and with the end of its last line.
    var blocks: [Block] {
        var blocks: [Block] = []
        var section: Substring = ""
        var open: (language: Substring, text: String)?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if !line.hasPrefix(Self.fence) {
                if open == nil, line.hasPrefix("## ") { section = line.dropFirst(3) }
                open?.text += line + "\n"
            } else if let block = open {
                blocks.append(Block(section: section, language: block.language, text: block.text))
                open = nil
            } else {
                open = (line.dropFirst(Self.fence.count), "")
            }
        }
        return blocks
    }

    /// Where the page's links lead within the package, seen from the page's own folder.
    var links: [String] {
        text.split(separator: "](").dropFirst().compactMap { rest in
            let target = rest.prefix { $0 != ")" && $0 != "#" }
            return target.isEmpty || target.contains(":") ? nil : String(target)
        }
    }

    var folder: String { name.split(separator: "/").dropLast().map { $0 + "/" }.joined() }
}

@Suite struct ReadmeTests {
    private static let readmes = ["README.md", "README.zh-CN.md"]
    private static let pages =
        readmes + [
            "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md", "docs/http.md", "docs/links.md",
            "docs/operations.md",
            "docs/commands.md", "docs/tunnel.md", "docs/gateway.md", "docs/gateway-migration.md", "docs/app.md",
            "docs/cluster.md",
            "docs/mesh.md", "docs/faq.md", "docs/security.md", "docs/compare/fastway.md", "docs/compare/pitaya.md",
            "docs/compare/frp.md", "docs/compare/memberlist.md", "docs/protocols/gateway.md", "docs/protocols/snet.md",
            "docs/protocols/mesh.md", "docs/protocols/cluster.md", "docs/protocols/pomelo.md",
            "docs/protocols/tunnel.md",
            "Examples/chat/README.md", "Examples/room/README.md", "Examples/game/README.md",
            "Examples/cluster/README.md",
            "Clients/javascript/README.md",
        ]

    /// All Swift files that the build compiles for those who read: the product and the examples.
    private static func sources() throws -> [String] {
        try ["Examples", "Sources"].flatMap { folder in
            try FileManager.default.subpathsOfDirectory(atPath: "\(Page.root)/\(folder)")
                .filter { $0.hasSuffix(".swift") }
                .map { try String(contentsOfFile: "\(Page.root)/\(folder)/\($0)", encoding: .utf8) }
        }
    }

    @Test(arguments: readmes) func `every Swift block stands literally in a file that the build compiles`(
        _ name: String
    ) throws {
        let blocks = try Page(name).blocks.filter { $0.language == "swift" }
        let sources = try Self.sources()
        #expect(!blocks.isEmpty)
        for block in blocks { #expect(sources.contains { $0.contains(block.text) }, "\(name) shows\n\(block.text)") }
    }

    @Test(arguments: ["A client in Swift", "Behind a gateway"])
    func `so do those of these sections about apps`(_ section: String) throws {
        let blocks = try Page("docs/app.md").blocks.filter { $0.language == "swift" && $0.section == section }
        let sources = try Self.sources()
        #expect(!blocks.isEmpty)
        for block in blocks { #expect(sources.contains { $0.contains(block.text) }, "it shows\n\(block.text)") }
    }

    @Test func `both languages show the same blocks`() throws {
        let pages = try Self.readmes.map { name in try Page(name).blocks.map { [$0.language, $0.text[...]] } }
        #expect(pages[0] == pages[1])
    }

    @Test(arguments: pages) func `every link within the package leads to a file`(_ name: String) throws {
        let page = try Page(name)
        for link in page.links {
            let path = "\(Page.root)/\(page.folder)\(link)"
            #expect(FileManager.default.fileExists(atPath: path), "\(name) leads to \(link)")
        }
    }
}
