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
        // By bytes: to Swift a point and an accent behind it are one other character.
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
            String(Substring($0))
        }
        guard !parts.contains(where: { $0.unicodeScalars.allSatisfy(\.properties.isWhitespace) }) else {
            throw .emptyField
        }
        switch parts.count {
        case 2: self.init(service: parts[0], method: parts[1])
        case 3: self.init(serverType: parts[0], service: parts[1], method: parts[2])
        default: throw .invalid
        }
    }

    /// Without the type: what handlers are found by.
    package var short: String { "\(service).\(method)" }

    package var description: String { serverType.isEmpty ? short : "\(serverType).\(short)" }
}
