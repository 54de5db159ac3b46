/// Makes the lines that one connection sends.
protocol LineSource {
  /// Appends one request line with its `\n`.
  mutating func writeLine(into output: inout [UInt8])
}

/// Makes UUIDv7 texts, in order and each once.
struct IdentifierMaker {
  private let series: Int
  private var next: UInt64 = 0

  /// `series` keeps the identifiers of several makers of a run apart.
  init(series: Int) { self.series = series }

  mutating func make() -> String {
    next += 1
    return Self.id(series: series, number: next)
  }

  /// The one that a maker of that series makes as its so-manieth, from 1 on.
  static func id(series: Int, number: UInt64) -> String {
    // The present is of no interest here; any time does, and one of the series' own keeps it from others.
    let time = String(0x0199_0000_0000 + UInt64(series), radix: 16)
    let padded = String(repeating: "0", count: 12 - time.count) + time
    let digits = String(number, radix: 16)
    return "\(padded.prefix(8))-\(padded.suffix(4))-7000-8000-" + String(repeating: "0", count: 12 - digits.count)
      + digits
  }
}

/// What commands are about: an organization, and pipelines that runs may be started of.
struct Subjects {
  let organization: String
  let pipelines: [String]
}

/// The requests that are measured, as bytes.
struct CommandWriter {
  private let organization: String
  private let series: Int
  private let givesCommandIDs: Bool
  private var number = 0

  init(subjects: Subjects, series: Int, givesCommandIDs: Bool) {
    organization = subjects.organization
    self.series = series
    self.givesCommandIDs = givesCommandIDs
  }

  /// `pipeline.create` as a scheduler's deployment sends it: about 490 bytes.
  mutating func pipeline(into output: inout [UInt8], id: String? = nil) {
    begin("pipeline.create", into: &output)
    if let id {
      output.append(contentsOf: #""id":""#.utf8)
      output.append(contentsOf: id.utf8)
      output.append(contentsOf: #"","#.utf8)
    }
    output.append(contentsOf: #""organization_id":""#.utf8)
    output.append(contentsOf: organization.utf8)
    output.append(contentsOf: #"","name":"orders_hourly_"#.utf8)
    writeUniqueNumber(into: &output)
    output.append(contentsOf: Self.pipelineRest.utf8)
  }

  /// `run.start` of a scheduled run: about 290 bytes.
  mutating func start(of pipeline: String, id: String? = nil, into output: inout [UInt8]) {
    begin("run.start", into: &output)
    if let id {
      output.append(contentsOf: #""id":""#.utf8)
      output.append(contentsOf: id.utf8)
      output.append(contentsOf: #"","#.utf8)
    }
    output.append(contentsOf: #""pipeline_id":""#.utf8)
    output.append(contentsOf: pipeline.utf8)
    output.append(contentsOf: #"","external_id":"scheduled__2026-11-21T07:00:00+00:00_"#.utf8)
    writeUniqueNumber(into: &output)
    output.append(contentsOf: Self.runRest.utf8)
  }

  /// `run.finish` with what the run came to.
  mutating func finish(of run: String, into output: inout [UInt8]) {
    begin("run.finish", into: &output)
    output.append(contentsOf: #""id":""#.utf8)
    output.append(contentsOf: run.utf8)
    output.append(contentsOf: Self.finishRest.utf8)
  }

  private static let pipelineRest =
    #"","description":"Loads the orders of the last hour into the warehouse","schedule":"5 * * * *","is_scheduled":true,"#
    + #""source_config":{"connection":"shop","table":"public.orders","cursor":"updated_at"},"#
    + #""destination_config":{"table":"warehouse.orders","mode":"append"},"tags":["orders","hourly"],"#
    + #""default_params":{"batch_size":5000,"retries":3}}}"# + "\n"
  private static let runRest =
    #"","trigger_type":"scheduled","params":{"data_interval_start":"2026-11-21T06:00:00Z","full_refresh":false}}}"#
    + "\n"
  private static let finishRest =
    #"","status":"success","rows_processed":48211,"data_size_bytes":7713760,"metrics":{"rows_read":48211,"rows_written":48211}}}"#
    + "\n"

  private mutating func begin(_ method: String, into output: inout [UInt8]) {
    number += 1
    output.append(contentsOf: #"{"jsonrpc":"2.0","id":"#.utf8)
    Self.write(number, into: &output)
    output.append(contentsOf: #","method":""#.utf8)
    output.append(contentsOf: method.utf8)
    output.append(contentsOf: #"","params":{"#.utf8)
    guard givesCommandIDs else { return }
    output.append(contentsOf: #""command_id":""#.utf8)
    writeUniqueNumber(into: &output)
    output.append(contentsOf: #"","#.utf8)
  }

  private func writeUniqueNumber(into output: inout [UInt8]) {
    Self.write(series, into: &output)
    output.append(UInt8(ascii: "_"))
    Self.write(1_000_000 + number, into: &output)
  }

  static func write(_ number: Int, into output: inout [UInt8]) {
    output.append(contentsOf: String(number).utf8)
  }
}

/// Pipelines, one after the other.
struct PipelineCreations: LineSource {
  var writer: CommandWriter

  mutating func writeLine(into output: inout [UInt8]) {
    writer.pipeline(into: &output)
  }
}

/// Starts of runs, of each pipeline in turn.
struct RunStarts: LineSource {
  var writer: CommandWriter
  let pipelines: [String]
  private var next = 0

  init(writer: CommandWriter, pipelines: [String]) {
    self.writer = writer
    self.pipelines = pipelines
  }

  mutating func writeLine(into output: inout [UInt8]) {
    writer.start(of: pipelines[next % pipelines.count], into: &output)
    next += 1
  }
}

/// What a log is filled with: of every ten events two create pipelines, four start runs, and four finish them.
struct MixedHistory: LineSource {
  private var writer: CommandWriter
  private let pipelines: [String]
  private var identifiers: IdentifierMaker
  private var started: [String] = []
  private var turn = 0

  init(writer: CommandWriter, pipelines: [String], series: Int) {
    self.writer = writer
    self.pipelines = pipelines
    identifiers = IdentifierMaker(series: series)
  }

  mutating func writeLine(into output: inout [UInt8]) {
    defer { turn += 1 }
    switch turn % 5 {
    case 0: writer.pipeline(into: &output)
    case 1, 2:
      let run = identifiers.make()
      started.append(run)
      writer.start(of: pipelines[turn % pipelines.count], id: run, into: &output)
    default: writer.finish(of: started.removeFirst(), into: &output)
    }
  }
}

/// Questions: of every ten eight are for one resource, one for its history, and
/// one for a page of a list, which PostgreSQL answers.
struct Questions: LineSource {
  private let pipelines: [String]
  private var number = 0

  init(pipelines: [String]) {
    self.pipelines = pipelines
  }

  mutating func writeLine(into output: inout [UInt8]) {
    number += 1
    let pipeline = pipelines[number % pipelines.count]
    let (method, params) =
      switch number % 10 {
      case 0: ("run.list", #"{"where":{"pipeline_id":"\#(pipeline)"},"order":"-created_at","limit":20}"#)
      case 5: ("pipeline.history", #"{"id":"\#(pipeline)"}"#)
      default: ("pipeline.get", #"{"id":"\#(pipeline)"}"#)
      }
    output.append(contentsOf: #"{"jsonrpc":"2.0","id":\#(number),"method":"\#(method)","params":\#(params)}"#.utf8)
    output.append(0x0A)
  }
}
