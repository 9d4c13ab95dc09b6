//! The Walsh-Hadamard transform on one power-of-two block, without its scale factor.

/// Transforms `block` in place: `out[i] = sum over j of (-1)^popcount(i & j) * in[j]`. Applied twice it
/// gives the block times its length.
///
/// INVARIANT: the length is a power of two. Additions happen in one fixed order, so that the result
/// does not depend on how wide the machine's vector registers are.
pub(crate) fn transform(block: &mut [f32]) {
    let rest = {
        let (eights, rest) = block.as_chunks_mut::<8>();
        eights.iter_mut().for_each(eight);
        rest.len()
    };
    if rest > 0 {
        small(block);
        return;
    }
    let mut half = 8;
    while half < block.len() {
        for pair in block.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            let (low, _) = low.as_chunks_mut::<8>();
            let (high, _) = high.as_chunks_mut::<8>();
            for (a, b) in low.iter_mut().zip(high) {
                for (x, y) in a.iter_mut().zip(b) {
                    (*x, *y) = (*x + *y, *x - *y);
                }
            }
        }
        half *= 2;
    }
}

/// The transform of eight values, unrolled.
fn eight(v: &mut [f32; 8]) {
    let [a, b, c, d, e, f, g, h] = *v;
    let (a, b, c, d, e, f, g, h) = (a + b, a - b, c + d, c - d, e + f, e - f, g + h, g - h);
    let (a, c, b, d, e, g, f, h) = (a + c, a - c, b + d, b - d, e + g, e - g, f + h, f - h);
    *v = [a + e, b + f, c + g, d + h, a - e, b - f, c - g, d - h];
}

/// Blocks of one, two and four.
fn small(block: &mut [f32]) {
    let mut half = 1;
    while half < block.len() {
        for pair in block.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (x, y) in low.iter_mut().zip(high) {
                (*x, *y) = (*x + *y, *x - *y);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_matrix_of_parities() {
        for bits in 0..10 {
            let n = 1_usize << bits;
            for j in [0, 1, n / 3, n - 1] {
                let mut block = vec![0.0_f32; n];
                let j = j.min(n - 1);
                block[j] = 1.0;
                transform(&mut block);
                for (i, value) in block.iter().enumerate() {
                    let expected = if (i & j).count_ones() % 2 == 0 { 1.0 } else { -1.0 };
                    assert!((value - expected).abs() < f32::EPSILON, "{n} {i} {j}");
                }
            }
        }
    }
}
