import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook tail`: events as they happen.
struct Tail: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Follow the log: events as they happen, without a gap.",
    discussion: """
      Without --from it begins with what happens next. It ends when it is
      interrupted, with --until-end at the end of the log, or after --count
      events.

      EXAMPLES
        daybook tail
        daybook tail --from 1 --until-end --json > events.jsonl
        daybook tail --events 'run.*' --events alert.raised
      """)

  @Option(name: .long, help: "The first position.")
  var from: Int64?

  @Option(name: .long, help: "Only events of this name, or type.*; may be repeated.")
  var events: [String] = []

  @Option(name: .long, help: "Only events of the resource of this id.")
  var resource: String?

  @Option(name: .long, help: "End after so many events.")
  var count: Int?

  @Flag(name: .long, help: "End at what was the log's end when this began.")
  var untilEnd = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let from, from < 1 { throw ValidationError("--from must be at least 1.") }
    if let count, count < 1 { throw ValidationError("--count must be at least 1.") }
  }

  func run() async throws {
    try await connection.withClient { client in
      if untilEnd { return try await readAll(client) }
      var params = filter
      var last: Int64
      if let from {
        last = from - 1
      } else {
        last = try await client.call("log.head")["position"]?.integerValue ?? 0
      }
      params["from"] = .integer(last + 1)
      _ = try await client.call("log.subscribe", params)
      var left = count ?? Int.max
      for await notification in client.notifications {
        switch notification.method {
        case "log.event":
          guard let record = notification.params["record"] else { continue }
          show(record)
          last = record["header"]?["position"]?.integerValue ?? last
          left -= 1
          if left == 0 { return }
        case "log.ended":
          let error = notification.params["error"]
          throw Failure(
            .refused, error?.cell("message") ?? "The subscription was ended by the server.",
            data: error?.objectValue ?? [:])
        default: continue
        }
      }
      throw Failure(
        .unavailable, "The server closed the connection.",
        next: "daybook tail --from \(last + 1) goes on without a gap once it is back.")
    }
  }

  private var filter: JSONObject {
    var params = JSONObject()
    if !events.isEmpty { params["events"] = .array(events.map(JSON.string)) }
    if let resource { params["resource_id"] = .string(resource) }
    return params
  }

  /// Reads up to what was the end when this began.
  private func readAll(_ client: DaybookClient) async throws {
    let head = try await client.call("log.head")["position"]?.integerValue ?? 0
    var next = from ?? 1
    var left = count ?? Int.max
    while next <= head, left > 0 {
      var params = filter
      params["from"] = .integer(next)
      params["limit"] = .integer(Int64(min(left, 10_000)))
      let page = try await client.call("log.read", params)
      for record in page["records"]?.arrayValue ?? [] {
        guard left > 0, record["header"]?["position"]?.integerValue ?? 0 <= head else { return }
        show(record)
        left -= 1
      }
      let following = page["next"]?.integerValue ?? 0
      guard following > next else { return }
      next = following
    }
  }

  private func show(_ record: JSON) {
    if output.json { return Terminal.say(json: record) }
    let header = record["header"] ?? .null
    let event = header.cell("event")
    var line = "\(header.cell("position"))  \(header.time("at"))  "
    line += event + String(repeating: " ", count: max(0, 26 - event.utf8.count))
    line += "  \(header.cell("resource"))  \(header.cell("actor"))"
    let fields = (record["body"]?["set"]?.objectValue ?? [:]).keys
    if !fields.isEmpty { line += "  \(fields.joined(separator: ", "))" }
    line = Terminal.plain(line)
    Terminal.say(Terminal.width.map { Terminal.fitted(line, to: $0) } ?? line)
  }
}
