import OmniwayWire

/// Any bytes are a message or an error, and no trap. What was read is read again from what is written of it, and
/// written again the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzProtobuf(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    #if PLANTED_BUG
        let planted = read(bytes) { span throws(ProtobufError) in try PomeloProtos.Request(protobuf: span) }
        if planted?.session != nil, planted?.msg == nil, planted?.type == .user { fatalError("planted") }
    #endif
    check(bytes, { span throws(ProtobufError) in try PomeloProtos.Request(protobuf: span) }, \.protobuf)
    check(bytes, { span throws(ProtobufError) in try PomeloProtos.Response(protobuf: span) }, \.protobuf)
    check(bytes, { span throws(ProtobufError) in try PomeloProtos.Msg(protobuf: span) }, \.protobuf)
    check(bytes, { span throws(ProtobufError) in try PomeloProtos.Push(protobuf: span) }, \.protobuf)
    check(bytes, { span throws(ProtobufError) in try PomeloProtos.KickAnswer(protobuf: span) }, \.protobuf)
    check(bytes, { span throws(ProtobufError) in try PomeloProtos.ProtoNames(protobuf: span) }, \.protobuf)
    check(bytes, { span throws(ProtobufError) in try PomeloProtos.ProtoDescriptors(protobuf: span) }, \.protobuf)
    check(bytes, { span throws(ProtobufError) in try PomeloFailure(protobuf: span) }, \.protobuf)
    return 0
}

private func check<Message: Equatable>(
    _ bytes: [UInt8], _ reading: (RawSpan) throws(ProtobufError) -> Message, _ writing: (Message) -> [UInt8]
) {
    guard let message = read(bytes, reading) else { return }
    let written = writing(message)
    precondition(written.count <= 2 * bytes.count + 16, "more was written than was read")
    guard let again = read(written, reading) else { fatalError("what was written is not read") }
    precondition(again == message, "another message was written")
    precondition(writing(again) == written, "the same message was written in another way")
}

private func read<Message>(_ bytes: [UInt8], _ body: (RawSpan) throws(ProtobufError) -> Message) -> Message? {
    unsafe bytes.withUnsafeBytes { raw in
        do throws(ProtobufError) {
            return try body(unsafe RawSpan(_unsafeBytes: raw))
        } catch {
            precondition(!error.description.isEmpty)
            return nil
        }
    }
}
