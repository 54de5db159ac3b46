import CanonicalJSON
import DaybookClient

/// Commands at a steady rate: a burst each second over four connections, which are opened and closed with it.
struct SoakWriter {
  private let address: SocketAddress
  private let subjects: Subjects
  private var histories: [MixedHistory]
  private var latencies: [UInt32] = []

  init(_ address: SocketAddress, _ subjects: Subjects) {
    self.address = address
    self.subjects = subjects
    histories = (0..<4).map { series in
      MixedHistory(
        writer: CommandWriter(subjects: subjects, series: 1000 + series, givesCommandIDs: true),
        pipelines: subjects.pipelines, series: 1000 + series)
    }
  }

  mutating func run(until end: Double, rate: Int) async throws {
    var next = Clock.now
    while next < end {
      let sources = histories.map(SharedSource.init)
      let generator = LoadGenerator(address: address, greeting: nil)
      let shape = LoadShape(connections: sources.count, depth: 8, extent: .requests(rate))
      latencies += try generator.run(shape) { sources[$0] }.latencies
      histories = sources.map(\.history)
      next += 1
      let rest = next - Clock.now
      if rest > 0 { try await Task.sleep(for: .seconds(rest)) } else { next = Clock.now }
    }
  }

  /// The latencies since this was asked last, in microseconds.
  mutating func takeLatencies() -> [UInt32] {
    defer { latencies = [] }
    return latencies
  }
}

/// A source whose place is kept for the next burst.
private final class SharedSource: LineSource {
  var history: MixedHistory

  init(_ history: MixedHistory) { self.history = history }

  func writeLine(into output: inout [UInt8]) { history.writeLine(into: &output) }
}

/// One who asks all the time: resources, lists, the audit trail, the log; each hundred questions on a new connection.
struct SoakReader {
  /// The server's Unix socket.
  let socket: String
  let pipelines: [String]

  func run(until end: Double) async throws {
    var number = 0
    while Clock.now < end {
      let client = try await DaybookClient.connect(to: .unix(socket))
      for _ in 0..<100 where Clock.now < end {
        number += 1
        let pipeline = JSON.string(pipelines[number % pipelines.count])
        let (method, params): (String, JSONObject) =
          switch number % 6 {
          case 0: ("run.list", ["where": ["pipeline_id": pipeline], "order": "-created_at", "limit": 50])
          case 1: ("audit.search", ["text": "started", "limit": 20])
          case 2: ("log.read", ["from": .integer(Int64(1 + number * 97 % 5000)), "limit": 100])
          case 3: ("pipeline.history", ["id": pipeline])
          case 4: ("server.metrics", [:])
          default: ("pipeline.get", ["id": pipeline])
          }
        _ = try await client.call(method, params)
      }
      try await client.close()
    }
  }
}
