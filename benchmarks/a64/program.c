/* The "C program" loop: crc, quicksort, linked list, itoa and a hash, freestanding. */
typedef unsigned long u64;
typedef unsigned int u32;

static u32 table[256];
static int array[512];
static struct node { struct node *next; u64 v; } nodes[256];

static u32 crc(const unsigned char *p, int n)
{
    u32 c = ~0u;
    for (int i = 0; i < n; i++)
        c = table[(c ^ p[i]) & 255] ^ (c >> 8);
    return ~c;
}

static void sort(int *a, int lo, int hi)
{
    while (lo < hi) {
        int p = a[(lo + hi) / 2], i = lo, j = hi;
        while (i <= j) {
            while (a[i] < p) i++;
            while (a[j] > p) j--;
            if (i <= j) { int t = a[i]; a[i] = a[j]; a[j] = t; i++; j--; }
        }
        if (j - lo < hi - i) { sort(a, lo, j); lo = i; } else { sort(a, i, hi); hi = j; }
    }
}

static int to_text(u64 v, char *out)
{
    char tmp[24];
    int n = 0, m = 0;
    do { tmp[n++] = (char)('0' + v % 10); v /= 10; } while (v);
    while (n) out[m++] = tmp[--n];
    return m;
}

u64 work(u64 rounds)
{
    char text[32];
    u64 seed = 88172645463325252ul, sum = 0;
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    for (u64 r = 0; r < rounds; r++) {
        for (int i = 0; i < 512; i++) {
            seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
            array[i] = (int)seed;
        }
        sort(array, 0, 511);
        sum += crc((const unsigned char *)array, sizeof array);
        for (int i = 0; i < 256; i++) {
            nodes[i].next = i < 255 ? &nodes[(i * 7 + 1) & 255] : 0;
            nodes[i].v = (u64)array[i];
        }
        int hops = 0;
        for (struct node *n = nodes; n && hops < 400; n = n->next, hops++) sum += n->v;
        for (int i = 0; i < 64; i++) {
            int len = to_text((u64)(u32)array[i * 8], text);
            u64 h = 14695981039346656037ul;
            for (int k = 0; k < len; k++) h = (h ^ (u64)text[k]) * 1099511628211ul;
            sum ^= h;
        }
    }
    return sum;
}
