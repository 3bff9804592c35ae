import FoundationEssentials
import Testing

/// What is shipped for those who watch: every name in it is one that a page explains.
@Suite struct MetricsTests {
    private static let root =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")

    private static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
    }

    private static func names(in text: String) -> Set<String> {
        let words = text.split { !($0.isLowercase || $0 == "_" || $0.isNumber) }.map(String.init)
        return Set(words.filter { $0.hasPrefix("omniway_") })
    }

    private static func documented() throws -> Set<String> {
        var all: Set<String> = []
        for page in try FileManager.default.contentsOfDirectory(atPath: "\(root)/docs") where page.hasSuffix(".md") {
            all.formUnion(names(in: try text("docs/\(page)")))
        }
        return all
    }

    @Test(arguments: ["share/grafana/omniway.json", "share/prometheus/alerts.yml"])
    func `dashboards and alerts have only metrics that are documented`(_ path: String) throws {
        let documented = try Self.documented()
        let used = Self.names(in: try Self.text(path))
        #expect(used.count > 5)
        for name in used.sorted() {
            // Histograms are asked for by their buckets.
            let metric = name.hasSuffix("_bucket") ? String(name.dropLast(7)) : name
            #expect(documented.contains(metric), "\(path) has \(name), which no page of docs explains")
        }
    }

    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct Place: Decodable { let x, y, w, h: Int }
            struct Target: Decodable { let expr: String }
            let id: Int
            let title: String
            let type: String
            let gridPos: Place
            let targets: [Target]?
        }
        let title: String
        let panels: [Panel]
    }

    @Test func `the dashboard has panels that ask something, side by side`() throws {
        let bytes = Data(try Self.text("share/grafana/omniway.json").utf8)
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: bytes)
        #expect(dashboard.title == "Omniway")
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        var taken: Set<[Int]> = []
        for panel in dashboard.panels {
            #expect(panel.type == "row" || panel.targets?.contains { $0.expr.contains("omniway_") } == true)
            let place = panel.gridPos
            #expect(place.x + place.w <= 24)
            for x in place.x..<(place.x + place.w) {
                for y in place.y..<(place.y + place.h) {
                    #expect(taken.insert([x, y]).inserted, "\(panel.title) lies over another")
                }
            }
        }
    }
}
