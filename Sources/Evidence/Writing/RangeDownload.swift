import BasicTypes
import CanonicalJSON
import Files

/// The headers of a range and the records that the filter asks for, fetched page by page into their files.
///
/// Memory is bounded by a page. Records are handed to the system before the headers of their page, so whatever ends the
/// process, every header in its file that the filter asks for has its record, and the next run goes on there.
struct RangeDownload: ~Copyable {
  /// Small, so that no page keeps the server's processors from others' commands for long.
  private static let pageSize: Int64 = 500

  private let terms: ExportTerms
  private let ask: BundleWriter.Ask
  private var headers: BundleOutput
  private var events: BundleOutput
  /// The position of the next header.
  private(set) var position: UInt64

  /// Goes on with what is in the files.
  init(_ folder: BundleFolder, _ terms: ExportTerms, _ ask: @escaping BundleWriter.Ask) throws {
    let kept = try RangeDownload.kept(folder, terms)
    let headers = try BundleOutput(folder.file(BundleFile.headers), keeping: kept.headerBytes)
    let events = try BundleOutput(folder.file(BundleFile.events), keeping: kept.eventBytes)
    self.headers = headers
    self.events = events
    self.terms = terms
    self.ask = ask
    position = kept.position
  }

  /// How much of the files is whole: lines of headers that are complete, and the records of these.
  private static func kept(
    _ folder: BundleFolder, _ terms: ExportTerms
  ) throws -> (position: UInt64, headerBytes: Int64, eventBytes: Int64) {
    var position = terms.first
    var headerBytes: Int64 = 0
    var eventBytes: Int64 = 0
    guard FileSystem<FileError>.exists(folder.file(BundleFile.headers)),
      FileSystem<FileError>.exists(folder.file(BundleFile.events))
    else { return (position, 0, 0) }
    var headers = try BundleLines(folder.file(BundleFile.headers))
    while let line = try headers.next() {
      let named = (try? JSON.parse(line))?["position"]?.integerValue
      guard !headers.isTorn, position <= terms.last, named == Int64(clamping: position) else { break }
      headerBytes += Int64(line.count) + 1
      position += 1
    }
    var events = try BundleLines(folder.file(BundleFile.events))
    while let line = try events.next() {
      guard !events.isTorn, let found = EvidenceRecord.position(of: line), found < position else { break }
      eventBytes += Int64(line.count) + 1
    }
    return (position, headerBytes, eventBytes)
  }

  /// Fetches one page more; false once the range is whole.
  mutating func next() async throws -> Bool {
    guard position <= terms.last else {
      try events.finish()
      try headers.finish()
      return false
    }
    var parameters: JSONObject = [
      "from": JSON(position: position), "limit": .integer(min(Self.pageSize, Int64(terms.last - position + 1))),
    ]
    if let organization = terms.headersOf { parameters["organization_id"] = .string(organization.text) }
    let answer = try await ask("log.headers", parameters)
    guard let page = answer["headers"]?.arrayValue, !page.isEmpty else {
      throw BundleWriter.impossible("log.headers has nothing from position \(position) on")
    }
    var lines: [[UInt8]] = []
    var wanted: [(position: UInt64, header: [UInt8])] = []
    for header in page {
      let at = position + UInt64(lines.count)
      if let leaf = header.stringValue {
        lines.append(
          JSONObject(dictionaryLiteral: ("leaf", .string(leaf)), ("position", JSON(position: at))).canonicalBytes)
        continue
      }
      let line = header.canonicalBytes
      guard let parsed = EvidenceHeader(header), parsed.position == at else {
        throw BundleWriter.impossible("log.headers has no header of position \(at)")
      }
      lines.append(line)
      if terms.filter.accepts(parsed) { wanted.append((at, line)) }
    }
    try await fetch(wanted)
    try events.flush()
    for line in lines { try headers.line(line) }
    try headers.flush()
    position += UInt64(lines.count)
    return true
  }

  /// Fetches the records of some headers.
  private mutating func fetch(_ wanted: [(position: UInt64, header: [UInt8])]) async throws {
    var rest = wanted[...]
    while let first = rest.first {
      var parameters = terms.filter.logParameters
      parameters["from"] = JSON(position: first.position)
      parameters["limit"] = .integer(Int64(rest.count))
      let answer = try await ask("log.read", parameters)
      let records = answer["records"]?.arrayValue ?? []
      guard !records.isEmpty else {
        throw BundleWriter.impossible("log.read has no record of position \(first.position), whose header it showed")
      }
      for record in records {
        guard let next = rest.popFirst(), let header = record["header"]?.canonicalBytes, header == next.header,
          let body = record["body"]?.canonicalBytes
        else {
          throw BundleWriter.impossible("log.read has another record than that of position \(first.position)")
        }
        try events.line(EvidenceRecord.line(body: body, header: header))
      }
    }
  }
}

extension ExportFilter {
  /// The parameters by which `log.read` looks for what this filter asks for, and for nothing else.
  var logParameters: JSONObject {
    var parameters = json
    parameters.removeValue(forKey: "resource_types")
    if resourceTypes.isEmpty { return parameters }
    let types = resourceTypes.map { "\($0).*" }
    guard !events.isEmpty else {
      parameters["events"] = .array(types.map(JSON.string))
      return parameters
    }
    var both: [String] = []
    for event in events {
      // A name of one event, or of all of a type, is either among the types or none of theirs.
      if types.contains(where: { $0.utf8.elementsEqual(event.utf8) || ExportFilter.names($0, event) }) {
        both.append(event)
      }
    }
    parameters["events"] = .array(both.map(JSON.string))
    return parameters
  }
}
