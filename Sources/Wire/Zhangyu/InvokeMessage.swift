/// Asks the peer to do something: a path says what. One-way requests are not answered.
public struct InvokeRequest: Equatable, Sendable {
    /// Ties an answer to its request; new for each call.
    public var id: String
    /// As it was written. Two paths are one when their `key` is.
    public var path: String
    public var headers: InvokeHeaders
    /// A JSON text, or nothing.
    public var body: String

    public init(id: String, path: String, headers: InvokeHeaders = InvokeHeaders(), body: String = "") {
        (self.id, self.path, self.headers, self.body) = (id, path, headers, body)
    }

    /// What paths are compared by: trimmed and in lower case, so `/client/Register` is `/client/register`.
    public var key: String { Self.key(of: path) }

    /// The same for a path that somebody wrote down.
    public static func key(of path: String) -> String {
        var bytes = path.utf8[...]
        while let first = bytes.first, first <= 0x20 { bytes = bytes.dropFirst() }
        while let last = bytes.last, last <= 0x20 { bytes = bytes.dropLast() }
        return Substring(bytes).lowercased()
    }

    /// Marks a call that waits for its answer, so that a peer which does not know the path says so.
    public static let kindHeader = "Zhangyu-Invoke"
    static let twoWay = "bidi"

    /// The sender has said that it waits for an answer. The original never says so.
    public var saysTwoWay: Bool { headers[Self.kindHeader] == Self.twoWay }
}

/// What became of a request.
public struct InvokeResponse: Equatable, Sendable {
    /// That of the request.
    public var id: String
    public var code: InvokeCode
    /// What went wrong, in words.
    public var message: String
    public var headers: InvokeHeaders
    /// A JSON text, or nothing.
    public var body: String

    public init(
        to id: String, _ code: InvokeCode = .success, message: String = "", headers: InvokeHeaders = InvokeHeaders(),
        body: String = ""
    ) {
        (self.id, self.code, self.message, self.headers, self.body) = (id, code, message, headers, body)
    }
}

/// One frame between two invokers.
public enum InvokeMessage: Equatable, Sendable {
    case request(InvokeRequest)
    case response(InvokeResponse)
}

/// How a request ended. Every code but `success` is a failure.
public struct InvokeCode: Equatable, Hashable, Sendable, CustomStringConvertible {
    public let number: Int
    public init(_ number: Int) { self.number = number }

    public static let success = InvokeCode(200)
    /// The client is to connect elsewhere.
    public static let reconnect = InvokeCode(307)
    public static let failed = InvokeCode(400)
    public static let notAuthenticated = InvokeCode(401)
    public static let forbidden = InvokeCode(403)
    /// Nobody knows the path, or the tunnel.
    public static let notFound = InvokeCode(404)
    public static let timedOut = InvokeCode(408)
    /// A newer login has taken the place of this one.
    public static let superseded = InvokeCode(409)
    public static let tooLarge = InvokeCode(413)
    public static let tooMany = InvokeCode(429)
    /// The target could not be dialled.
    public static let targetFailed = InvokeCode(502)
    public static let offline = InvokeCode(503)
    /// The target did not answer its dial in time.
    public static let unreachable = InvokeCode(504)

    public var description: String { String(number) }
}

/// Names and values beside a body, in the order of their names, as the original writes them.
public struct InvokeHeaders: Equatable, Sendable {
    private var fields: [(name: String, value: String)] = []

    public init() {}

    /// The value of exactly this name; nil removes it.
    public subscript(name: String) -> String? {
        get { fields.first { $0.name.hasSameBytes(as: name) }?.value }
        set {
            let at = fields.firstIndex { !$0.name.utf8.lexicographicallyPrecedes(name.utf8) } ?? fields.count
            let isThere = at < fields.count && fields[at].name.hasSameBytes(as: name)
            switch (isThere, newValue) {
            case (true, let value?): fields[at].value = value
            case (true, nil): fields.remove(at: at)
            case (false, let value?): fields.insert((name, value), at: at)
            case (false, nil): break
            }
        }
    }

    public static func == (a: InvokeHeaders, b: InvokeHeaders) -> Bool {
        a.elementsEqual(b) { $0.name.hasSameBytes(as: $1.name) && $0.value.hasSameBytes(as: $1.value) }
    }
}

extension InvokeHeaders: RandomAccessCollection {
    public var startIndex: Int { fields.startIndex }
    public var endIndex: Int { fields.endIndex }
    public subscript(position: Int) -> (name: String, value: String) { fields[position] }
}

extension InvokeHeaders: ExpressibleByDictionaryLiteral {
    /// The last value of a name stays.
    public init(dictionaryLiteral fields: (String, String)...) {
        for (name, value) in fields { self[name] = value }
    }
}
