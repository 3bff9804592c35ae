/// The names under which messages travel: tokens with dots between them. In subscriptions `*` stands for one token and
/// `>` for all that follow.
public enum BusSubject {
    /// In bytes.
    public static let maxLength = 1024

    /// What makes a text unfit to be a subject.
    public enum Fault: Equatable, Sendable, CustomStringConvertible {
        case empty, tooLong, blank, emptyToken, wildcard, wildcardWithinToken

        public var description: String {
            switch self {
            case .empty: "it is empty"
            case .tooLong: "it has more than \(BusSubject.maxLength) bytes; use shorter names"
            case .blank: "it has a blank or a control character in it; leave those out of names and ids"
            case .emptyToken: "there is nothing before, between or behind dots; leave the extra dot out"
            case .wildcard: "wildcards are for subscriptions; leave '*' and '>' out of names and ids"
            case .wildcardWithinToken: "'*' stands alone between dots, and '>' alone at the end"
            }
        }
    }

    /// Nil for a subject that can be published to.
    public static func fault(of subject: String) -> Fault? { fault(in: subject.utf8.span, allowsWildcards: false) }

    /// Nil for one that can be subscribed to.
    public static func fault(ofSubscription subject: String) -> Fault? {
        fault(in: subject.utf8.span, allowsWildcards: true)
    }

    static func check(_ subject: String) throws(BusError) {
        if let fault = fault(of: subject) { throw .badSubject(shown(subject), fault) }
    }

    static func checkSubscription(_ subject: String, group: String?) throws(BusError) {
        if let fault = fault(ofSubscription: subject) { throw .badSubject(shown(subject), fault) }
        if let group, let fault = fault(of: group) { throw .badSubject(shown(group), fault) }
    }

    /// What is too long for a subject is too long for a line of the log.
    private static func shown(_ subject: String) -> String {
        subject.utf8.count <= 100 ? subject : subject.prefix(100) + "…"
    }

    private static func fault(in bytes: Span<UInt8>, allowsWildcards: Bool) -> Fault? {
        if bytes.isEmpty { return .empty }
        if bytes.count > maxLength { return .tooLong }
        let (dot, star, rest) = (UInt8(ascii: "."), UInt8(ascii: "*"), UInt8(ascii: ">"))
        var previous = dot
        for index in bytes.indices {
            let byte = bytes[index]
            if byte <= 0x20 || byte == 0x7f { return .blank }
            if byte == dot, previous == dot { return .emptyToken }
            if byte == star || byte == rest {
                if !allowsWildcards { return .wildcard }
                let isLast = index == bytes.count - 1
                let endsToken = isLast || byte == star && bytes[index + 1] == dot
                if previous != dot || !endsToken { return .wildcardWithinToken }
            }
            previous = byte
        }
        return previous == dot ? .emptyToken : nil
    }

    /// Whether a subscription's subject covers that of a message. Both have been checked.
    static func covers(_ pattern: String, _ subject: String) -> Bool {
        let (pattern, subject) = (pattern.utf8.span, subject.utf8.span)
        var place = 0
        for index in pattern.indices {
            switch pattern[index] {
            case UInt8(ascii: ">"): return place < subject.count
            case UInt8(ascii: "*"):
                let start = place
                while place < subject.count, subject[place] != UInt8(ascii: ".") { place += 1 }
                if place == start { return false }
            case let byte:
                guard place < subject.count, subject[place] == byte else { return false }
                place += 1
            }
        }
        return place == subject.count
    }

    static func hasWildcard(_ subject: String) -> Bool {
        subject.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: ">") }
    }
}
