/// How large the parts of a message may be, in bytes. Whoever goes beyond is told, and its connection ends.
public struct HTTPLimits: Sendable, Equatable {
    /// The start line and all fields.
    public var head: Int
    /// The target in the start line of a request.
    public var target: Int
    /// How many fields a head or the trailers may have.
    public var fields: Int
    /// The line in front of a chunk, with its extensions.
    public var chunkLine: Int
    /// All extensions of one body together; nobody reads them.
    public var chunkExtensions: Int
    /// The fields behind a chunked body.
    public var trailers: Int
    /// The body. A route or a request may have its own.
    public var body: Int

    public init(
        head: Int = 16 << 10, target: Int = 8 << 10, fields: Int = 100, chunkLine: Int = 256,
        chunkExtensions: Int = 4 << 10, trailers: Int = 4 << 10, body: Int = 1 << 20
    ) {
        precondition(0 < target && target < head && head <= 1 << 20, "the target is a part of the head, at most 1 MiB")
        precondition(min(fields, chunkLine, chunkExtensions, trailers, body) >= 0, "limits are not negative")
        (self.head, self.target, self.fields, self.chunkLine) = (head, target, fields, chunkLine)
        (self.chunkExtensions, self.trailers, self.body) = (chunkExtensions, trailers, body)
    }

    /// No limit for bodies that are passed on piece by piece.
    public static let unlimitedBody = Int.max
}
