//! 4x4 matrices, rows first, and what cameras need of them.

/// `matrix[row][column]`, for column vectors.
pub type Matrix = [[f64; 4]; 4];

/// `a b`: first `b`, then `a`.
pub(crate) fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..4).map(|k| a[row][k] * b[k][column]).sum()))
}

/// The inverse; `None` of a singular matrix.
pub(crate) fn inverse(matrix: &Matrix) -> Option<Matrix> {
    let mut left = *matrix;
    let mut right: Matrix = std::array::from_fn(|row| std::array::from_fn(|c| f64::from(u8::from(row == c))));
    for column in 0..4 {
        let pivot = (column..4).max_by(|&a, &b| left[a][column].abs().total_cmp(&left[b][column].abs()))?;
        left.swap(column, pivot);
        right.swap(column, pivot);
        let by = left[column][column];
        if by == 0.0 || !by.is_finite() {
            return None;
        }
        for c in 0..4 {
            left[column][c] /= by;
            right[column][c] /= by;
        }
        for row in (0..4).filter(|&row| row != column) {
            let by = left[row][column];
            for c in 0..4 {
                left[row][c] -= by * left[column][c];
                right[row][c] -= by * right[column][c];
            }
        }
    }
    Some(right)
}

/// A point, as a homogeneous vector.
pub(crate) fn apply(matrix: &Matrix, [x, y, z]: [f64; 3]) -> [f64; 4] {
    matrix.map(|row| row[0] * x + row[1] * y + row[2] * z + row[3])
}

/// A point's image as a point; not finite where it lies at infinity.
pub(crate) fn project(matrix: &Matrix, point: [f64; 3]) -> [f64; 3] {
    let [x, y, z, w] = apply(matrix, point);
    [x / w, y / w, z / w]
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|n| a[(n + 1) % 3] * b[(n + 2) % 3] - a[(n + 2) % 3] * b[(n + 1) % 3])
}

pub(crate) fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|n| a[n] - b[n])
}

pub(crate) fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

/// Of length 1; `None` of no direction.
pub(crate) fn unit(a: [f64; 3]) -> Option<[f64; 3]> {
    let length = length(a);
    (length > 0.0 && length.is_finite()).then(|| a.map(|x| x / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_undoes_and_a_singular_matrix_has_none() {
        let matrix =
            [[0.0, 2.0, 0.5, 1.0], [1.0, 0.25, 0.0, -3.0], [0.0, 0.0, 4.0, 2.0], [0.0, 0.1, -0.2, 1.0]];
        let both = product(&inverse(&matrix).unwrap(), &matrix);
        for (row, values) in both.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                assert!((value - f64::from(u8::from(row == column))).abs() < 1e-12);
            }
        }
        assert!(inverse(&[[1.0; 4]; 4]).is_none());
    }
}
