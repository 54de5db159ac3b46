import CanonicalJSON

/// A page of a list of the past while it is gathered, in any order: it holds no more than the page needs, and hardly
/// more bytes than a page may have.
struct PastPage: Sendable {
  private let order: ListOrder
  private let limit: Int
  private let maximumBytes: Int
  private var found: [(place: ListPlace, item: JSONObject, size: Int)] = []
  private var bytes = 0
  private var isCut = false

  init(order: ListOrder, limit: Int, maximumBytes: Int = PagedTable.maximumBytes) {
    self.order = order
    self.limit = limit
    self.maximumBytes = maximumBytes
  }

  /// Takes an item, and forgets those that are behind the page's end by now.
  mutating func add(_ item: JSONObject, at place: ListPlace) {
    let size = JSON.object(item).approximateSize
    found.append((place, item, size))
    bytes += size
    if found.count > 2 * limit + 100 || bytes > 2 * maximumBytes { shorten() }
  }

  private mutating func shorten() {
    found.sort { order.isBefore($0.place, $1.place) }
    var kept = 0
    var size = 0
    while kept < min(limit, found.count), size < maximumBytes {
      size += found[kept].size
      kept += 1
    }
    if kept < found.count { isCut = true }
    found.removeSubrange(kept...)
    bytes = size
  }

  /// The items in their order, and the place behind which the next page begins; nil where there is none.
  consuming func finished() -> (items: [JSON], last: ListPlace?) {
    shorten()
    return (found.map { .object($0.item) }, isCut ? found.last?.place : nil)
  }
}

extension JSON {
  /// About how many bytes its text has; strings count without what must be escaped in them.
  var approximateSize: Int {
    switch self {
    case .null, .bool: 5
    case .integer, .number: 8
    case .bigInteger(let digits): digits.utf8.count
    case .string(let text): text.utf8.count + 3
    case .array(let elements): elements.reduce(2) { $0 + $1.approximateSize + 1 }
    case .object(let members): members.reduce(2) { $0 + $1.key.utf8.count + $1.value.approximateSize + 4 }
    }
  }
}
