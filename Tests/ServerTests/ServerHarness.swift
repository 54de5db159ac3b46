import CanonicalJSON
import DaybookClient
import Foundation
import Logging
import NIOCore
import NIOPosix
import Server
import Testing

/// A server on a throwaway data folder, without PostgreSQL: what needs a read model is unavailable, all else works.
struct TestServer: Sendable {
  let server: DaybookServer
  let folder: String
  private let running: Task<Void, any Error>

  /// Runs a server for as long as the body runs, then stops it and removes its folder.
  static func run(
    _ change: (inout ServerConfiguration) -> Void = { _ in }, _ body: (TestServer) async throws -> Void
  ) async throws {
    let folder = NSTemporaryDirectory() + "daybook-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // A leftover in the temporary folder harms nobody.
    let test = try await start(folder: folder, change)
    do {
      try await body(test)
    } catch {
      try await test.stop()
      throw error
    }
    try await test.stop()
  }

  /// Starts a server on a folder.
  static func start(
    folder: String, _ change: (inout ServerConfiguration) -> Void = { _ in }
  ) async throws -> TestServer {
    let server = try await DaybookServer.start(configuration(folder: folder, change))
    return TestServer(server: server, folder: folder, running: Task { try await server.run() })
  }

  static func configuration(
    folder: String, _ change: (inout ServerConfiguration) -> Void = { _ in }
  ) throws -> ServerConfiguration {
    let root = try repository()
    var configuration = ServerConfiguration(
      dataFolder: folder + "/data", catalogFolder: root + "/schema", projectionsFolder: root + "/projections")
    configuration.listen = ("127.0.0.1", 0)
    // Nobody listens on port 1: PostgreSQL is away.
    configuration.postgres = PostgresSettings(url: "postgresql://127.0.0.1:1/none?connect_timeout=1")
    configuration.logLevel = .critical
    configuration.announce = { _ in }
    change(&configuration)
    return configuration
  }

  /// The folder of the package: the one above this file that holds the resource types.
  static func repository() throws -> String {
    var folder = URL(fileURLWithPath: #filePath)
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      if FileManager.default.fileExists(atPath: folder.path + "/schema/catalog.yaml") { return folder.path }
    }
    throw ServerStartError("the tests run outside of the package")
  }

  /// Stops the server as a signal would, and waits for its end.
  func stop() async throws {
    await server.stop()
    try await running.value
  }

  /// The endpoint of one kind.
  func endpoint(_ kind: String) throws -> Endpoint {
    try Endpoint.parse(try #require(server.addresses.first { $0.hasPrefix(kind + ":") }))
  }

  /// A client of the local administrator.
  func administrator() async throws -> DaybookClient {
    try await DaybookClient.connect(to: endpoint("unix"))
  }

  /// A raw connection, over which a test says exactly which bytes go out.
  func raw(_ kind: String = "unix") async throws -> RawClient {
    try await RawClient.connect(to: endpoint(kind))
  }

  /// Makes an organization, and answers its id.
  func organization(_ slug: String) async throws -> String {
    let client = try await administrator()
    let made = try await client.call("organization.create", ["name": .string(slug), "slug": .string(slug)])
    try await client.close()
    return try #require(made["id"]?.stringValue)
  }

  /// Makes an API key with those permissions, and answers its id and the key itself.
  func apiKey(_ organization: String, _ permissions: JSON) async throws -> (id: String, key: String) {
    let client = try await administrator()
    let made = try await client.call(
      "api_key.create", ["name": "test", "organization_id": .string(organization), "permissions": permissions])
    try await client.close()
    return (try #require(made["id"]?.stringValue), try #require(made["api_key"]?.stringValue))
  }
}

/// Lines over a socket, without any help: what is sent is what the test says, and it is read only when the test asks.
final class RawClient: Sendable {
  private let channel: any Channel
  private let lines: AsyncStream<String>

  private init(channel: any Channel, lines: AsyncStream<String>) {
    self.channel = channel
    self.lines = lines
  }

  static func connect(to endpoint: Endpoint, isReading: Bool = true) async throws -> RawClient {
    let (stream, continuation) = AsyncStream.makeStream(of: String.self)
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.autoRead, value: isReading)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(LineCollector(continuation))
        }
      }
    let channel =
      switch endpoint {
      case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path).get()
      case .tcp(let host, let port), .tls(let host, let port): try await bootstrap.connect(host: host, port: port).get()
      }
    return RawClient(channel: channel, lines: stream)
  }

  /// Sends bytes as they are.
  func send(_ text: String) async throws {
    try await channel.writeAndFlush(ByteBuffer(string: text)).get()
  }

  func send(bytes: [UInt8]) async throws {
    try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
  }

  /// Puts bytes on their way without waiting until the system takes them.
  func push(_ text: String) {
    channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
  }

  /// Whether the system has taken what was pushed, but for a little.
  var isWritable: Bool { channel.isWritable }

  /// Sends nothing more, and still reads.
  func finish() async throws {
    try await channel.close(mode: .output).get()
  }

  func startReading() async throws {
    try await channel.setOption(.autoRead, value: true).get()
  }

  /// So many lines, fewer only where the server closes.
  func read(_ count: Int) async throws -> [JSON] {
    var found: [JSON] = []
    for await line in lines {
      found.append(try JSON.parse(line))
      if found.count == count { break }
    }
    return found
  }

  /// The next line.
  func next() async throws -> JSON {
    let lines = try await read(1)
    return try #require(lines.first, "the server closed the connection")
  }

  /// Every line until the server closes.
  func rest() async throws -> [JSON] {
    try await read(.max)
  }

  /// Sends one line and reads one.
  func ask(_ line: String) async throws -> JSON {
    try await send(line + "\n")
    return try await next()
  }

  func close() async throws {
    do { try await channel.close().get() } catch ChannelError.alreadyClosed {}
  }
}

private final class LineCollector: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private var buffer = ByteBuffer()
  private let continuation: AsyncStream<String>.Continuation

  init(_ continuation: AsyncStream<String>.Continuation) {
    self.continuation = continuation
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    buffer.writeBuffer(&bytes)
    while let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
      let length = end - buffer.readerIndex
      if let line = buffer.readString(length: length) { continuation.yield(line) }
      buffer.moveReaderIndex(forwardBy: 1)
    }
    buffer.discardReadBytes()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { continuation.finish() }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    continuation.finish()
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    continuation.finish()
  }
}

extension JSON {
  /// The type of the error that an answer carries.
  var errorType: String? { self["error"]?["data"]?["type"]?.stringValue }
  /// The code of the error that an answer carries.
  var errorCode: Int64? { self["error"]?["code"]?.integerValue }
}
