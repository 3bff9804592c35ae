/// Where a message wants to go: `type.service.method`, or `service.method` at the server that received it. Every letter
/// counts, upper or lower.
package struct PomeloRoute: Hashable, Sendable, CustomStringConvertible {
    /// Why a text is no route, in the words that clients are answered with under PIT-400.
    package enum Fault: String, Error, CustomStringConvertible {
        case emptyField = "route field can not be empty"
        case invalid = "invalid route"

        package var description: String { rawValue }
    }

    /// Empty for the server that received the route.
    package let serverType: String
    package let service: String
    package let method: String

    package init(serverType: String = "", service: String, method: String) {
        (self.serverType, self.service, self.method) = (serverType, service, method)
    }

    /// Takes two or three parts as they are. A part of white space alone counts as empty.
    package init(_ text: String) throws(Fault) {
        var (first, second, third) = ("", "", "")
        var count = 0
        var rest = Substring(text)
        var hasMore = true
        while hasMore {
            // By bytes: to Swift a point and an accent behind it are one other character.
            let point = rest.utf8.firstIndex(of: UInt8(ascii: "."))
            let part = rest[..<(point ?? rest.endIndex)]
            if part.unicodeScalars.allSatisfy(\.properties.isWhitespace) { throw .emptyField }
            switch count {
            case 0: first = String(part)
            case 1: second = String(part)
            case 2: third = String(part)
            default: break
            }
            count += 1
            hasMore = point != nil
            if let point { rest = rest[rest.utf8.index(after: point)...] }
        }
        switch count {
        case 2: self.init(service: first, method: second)
        case 3: self.init(serverType: first, service: second, method: third)
        default: throw .invalid
        }
    }

    /// The type of a route that is known to have three parts.
    package static func serverType(of text: String) -> String {
        String(text[..<(text.utf8.firstIndex(of: UInt8(ascii: ".")) ?? text.startIndex)])
    }

    /// Without the type: what handlers are found by.
    package var short: String { "\(service).\(method)" }

    package var description: String { serverType.isEmpty ? short : "\(serverType).\(short)" }
}
