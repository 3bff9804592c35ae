/// How an event becomes a line.
public enum LogFormat: String, CaseIterable, Sendable {
    /// `2025-11-21T06:45:20.123456Z notice link closed reason=idle link=42`
    ///
    /// What could be misread is written like a string of JSON, quotes included.
    case text
    /// `{"time":"2025-11-21T06:45:20.123456Z","level":"notice","event":"link closed","reason":"idle","link":"42"}`
    ///
    /// All values are strings. A field called `time`, `level` or `event` gets an underscore in front.
    case json

    /// Appends the event without the end of the line, and with nothing that a reader could take for one.
    func append(_ event: LogEvent, to line: inout [UInt8]) {
        switch self {
        case .text: Self.appendText(event, to: &line)
        case .json: Self.appendJSON(event, to: &line)
        }
    }

    private static func appendText(_ event: LogEvent, to line: inout [UInt8]) {
        event.time.append(to: &line)
        line.append(contentsOf: " \(event.level) ".utf8)
        line.append(event.name, bareWhen: { $0.isBare || $0 == " " })
        for (name, value) in event.allFields {
            line.append(UInt8(ascii: " "))
            line.append(name, bareWhen: \.isBare)
            line.append(UInt8(ascii: "="))
            line.append(value, bareWhen: \.isBare)
        }
    }

    private static func appendJSON(_ event: LogEvent, to line: inout [UInt8]) {
        line.append(contentsOf: #"{"time":""#.utf8)
        event.time.append(to: &line)
        line.append(contentsOf: #"","level":"\#(event.level)","event":"#.utf8)
        line.append(quoting: event.name)
        for (name, value) in event.allFields {
            line.append(UInt8(ascii: ","))
            line.append(quoting: ["time", "level", "event"].contains(name) ? "_" + name : name)
            line.append(UInt8(ascii: ":"))
            line.append(quoting: value)
        }
        line.append(UInt8(ascii: "}"))
    }
}
