import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// Looks at the frames of single connections, whatever they are: a view of the loops' links, and actions that switch a
/// watch on for some minutes.
struct FrameViews: Sendable {
    private let loops: EventLoops
    private let patience: Duration

    init(of loops: EventLoops, patience: Duration) { (self.loops, self.patience) = (loops, patience) }

    /// What a person may choose: as the handler says, or one of the formats.
    private static let asItSays = "as it says"
    private static let minutes = 5
    /// Links that a loop is asked for at a time: some ten microseconds of its time.
    private static let page = 256

    // MARK: What is shown

    var view: AdminView {
        let views = self
        return AdminView("frames", isForOperators: true) {
            let answers = await views.loops.ask(within: views.patience) { loop in
                await loop.run { ($0.linkReports(from: 0, atMost: Self.page).links, $0.linkWatches, $0.linkCount) }
            }
            var (links, watches): ([AdminTable.Row], [AdminTable]) = ([], [])
            var (count, watched) = (0, 0)
            for (loop, answer) in zip(views.loops.loops, answers) {
                guard let answer else { continue }
                links += answer.0.map { views.row($0, loop.index) }
                watches += answer.1.map { views.table($0, loop.index) }
                (count, watched) = (count + answer.2, watched + answer.1.count)
            }
            return AdminReport(
                figures: [("connections", "\(count)"), ("watched", "\(watched)")],
                tables: watches + [
                    AdminTable(
                        "connections",
                        ["loop", "frames", "address", "handler", "driver", "queued", "quiet"], links, count: count,
                        actions: ["frames.watch", "frames.forget"])
                ])
        }
    }

    private func row(_ link: LinkReport, _ loop: Int) -> AdminTable.Row {
        AdminTable.Row(
            Self.key(loop, link.id),
            [
                "\(loop)", link.frameFormat?.rawValue ?? "", "\(link.peer)", link.handler, link.driver,
                "\(link.queued)", "\(link.quiet.components.seconds) s",
            ])
    }

    private func table(_ watch: LinkWatchReport, _ loop: Int) -> AdminTable {
        let key = Self.key(loop, watch.link)
        let rows = watch.frames.reversed().map { frame in
            AdminTable.Row(
                "\(key) \(frame.number)",
                [
                    "\(frame.number)", Self.seconds(frame.age), frame.isInbound ? "in" : "out",
                    "\(frame.frame.count)", watch.format.text(of: frame.frame),
                ])
        }
        let end = watch.isOpen ? "" : ", closed"
        return AdminTable(
            "\(watch.format.rawValue) \(key) \(watch.peer)\(end)", ["number", "seconds", "way", "bytes", "says"], rows,
            count: watch.count)
    }

    private static func seconds(_ age: Duration) -> String {
        let milliseconds = String(age / .milliseconds(1) < 0 ? 0 : Int(age / .milliseconds(1)))
        let digits = String(repeating: "0", count: max(0, 4 - milliseconds.count)) + milliseconds
        return "\(digits.dropLast(3)).\(digits.suffix(3))"
    }

    // MARK: What is done

    var actions: [AdminAction] {
        let views = self
        let formats = [Self.asItSays] + FrameFormat.allCases.map(\.rawValue)
        return [
            AdminAction("frames.watch", fields: ["connection", AdminField("as", choices: formats)]) { fields in
                let format = FrameFormat(rawValue: fields["as"] ?? "")
                let (loop, link) = try views.place(fields["connection"] ?? "")
                try await loop.run { loop throws(LinkWatchError) in
                    try loop.watch(link, as: format, for: .seconds(60 * Self.minutes))
                }
                return "its frames are kept for \(Self.minutes) minutes"
            },
            AdminAction("frames.forget", fields: ["connection"]) { fields in
                let (loop, link) = try views.place(fields["connection"] ?? "")
                guard await loop.run({ $0.stopWatching(link) }) else { throw AdminRefusal("it is not watched") }
                return "its frames are forgotten"
            },
            AdminAction("frames.find", fields: ["address", AdminField("as", choices: formats)]) { fields in
                let format = FrameFormat(rawValue: fields["as"] ?? "")
                let count = try await views.watchAll(from: fields["address"] ?? "", as: format)
                return "the frames of \(count) connections are kept for \(Self.minutes) minutes"
            },
        ]
    }

    /// Where there are more links than are listed: those of one address, whatever is above them.
    private func watchAll(from address: String, as format: FrameFormat?) async throws -> Int {
        var found = 0
        for loop in loops.loops {
            var from: Int? = 0
            while let start = from {
                let answer = await loop.answer(within: patience) { loop in
                    await loop.run { $0.linkReports(from: start, atMost: Self.page) }
                }
                guard let answer else { break }
                for link in answer.links where "\(link.peer)" == address && (format != nil || link.frameFormat != nil) {
                    try await loop.run { loop throws(LinkWatchError) in
                        try loop.watch(link.id, as: format, for: .seconds(60 * Self.minutes))
                    }
                    found += 1
                }
                from = answer.next
            }
        }
        guard found > 0 else { throw AdminRefusal("nothing from \(address) has frames that are known") }
        return found
    }

    /// A connection's name in the interface: the loop and the link.
    private static func key(_ loop: Int, _ link: LinkID) -> String { "\(loop)/\(link.rawValue)" }

    private func place(_ key: String) throws(AdminRefusal) -> (EventLoop, LinkID) {
        let parts = key.split(separator: "/").map { UInt64($0) }
        guard parts.count == 2, let loop = parts[0], let link = parts[1], loop < loops.loops.count else {
            throw AdminRefusal("there is no such connection")
        }
        return (loops.loops[Int(loop)], LinkID(rawValue: link))
    }
}
