/// A message that knows its own bytes, as those do that are generated from a protocol definition.
public protocol SerializedMessage {
    init(serializedBytes: [UInt8]) throws
    func serializedBytes() throws -> [UInt8]
}
